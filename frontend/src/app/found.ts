/** What the palette finds: pure. */

/** Something that can be chosen. */
export interface Entry {
  id: string;
  group: string;
  label: string;
  /** Told beside it. */
  about: string;
  /** Searched too. */
  terms: string;
  run: () => void;
}

/** How well a text answers what was typed: lower is better, null = not at all. */
export function rank(text: string, typed: string): number | null {
  const at = text.toLowerCase().indexOf(typed);
  if (at === 0) return text.length === typed.length ? 0 : 1;
  if (at > 0) return /[\s\-./:]/.test(text[at - 1] ?? "") ? 2 : 3;
  return null;
}

/** Entries that answer to all words typed, the best first; as they were where nothing is typed. */
export function found(entries: readonly Entry[], typed: string, most: number): Entry[] {
  const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const ranked: { entry: Entry; score: number }[] = [];
  for (const entry of entries) {
    const ranks = parts.map((part) => rank(entry.label, part) ?? (rank(entry.terms, part) === null ? null : 4));
    if (!ranks.includes(null)) ranked.push({ entry, score: ranks.reduce<number>((sum, one) => sum + (one ?? 0), 0) });
  }
  ranked.sort((a, b) => a.score - b.score);
  return ranked.slice(0, most).map(({ entry }) => entry);
}
