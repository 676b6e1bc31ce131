/** A short tone: low for longs that were sold, high for shorts that were bought. */
let context: AudioContext | null = null;
const LENGTH_S = 0.12;
const LOUD = 0.06;

/** Sound it; nothing happens where the browser has not been touched yet. */
export function tone(isLong: boolean, isHuge: boolean): void {
  context ??= new AudioContext();
  if (context.state === "suspended") void context.resume();
  const wave = context.createOscillator();
  const volume = context.createGain();
  wave.frequency.value = isLong ? 330 : 660;
  volume.gain.setValueAtTime(isHuge ? 2 * LOUD : LOUD, context.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + LENGTH_S);
  wave.connect(volume).connect(context.destination);
  wave.start();
  wave.stop(context.currentTime + LENGTH_S);
}
