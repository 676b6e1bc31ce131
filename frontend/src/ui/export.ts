/** What a panel shows, to take away: CSV, a picture, a link. */

/** Rows of a panel: one source for its CSV and its table. Times are ISO 8601 or epoch ms, as the columns say. */
export interface Sheet {
  /** Of the file, without its ending. */
  name: string;
  columns: string[];
  rows: (string | number | null)[][];
  notes?: string[];
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = /^[=+@\t\r-]/.test(value) ? `'${value}` : value; // a spreadsheet must not take a text for a formula
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** RFC 4180; unknown is empty; notes are lines that begin with `#`. */
export function csvOf({ columns, rows, notes }: Sheet): string {
  const lines = [columns, ...rows].map((row) => row.map(cell).join(","));
  const said = (notes ?? []).map((note) => `# ${note.replaceAll(/[\r\n]+/g, " ")}`);
  return `${[...said, ...lines].join("\r\n")}\r\n`;
}

function save(blob: Blob, file: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = file;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** What a figure must not be parted from: where it is from, and of when. */
export interface Origin {
  title: string;
  symbol: string;
  /** MODEL, DEMO DATA … */
  tags: readonly string[];
  /** ISO 8601; null = not known. */
  asOf: string | null;
}

/** One line: what, of which symbol, which kind, of when. */
export function originLine({ title, symbol, tags, asOf }: Origin): string {
  return ["perpscope", title, symbol, ...tags, asOf === null ? null : `as of ${asOf}`]
    .filter((part) => part !== null)
    .join(" · ");
}

/** Hand over a sheet as a file that says where it is from; with a byte order mark, so that spreadsheets read Korean. */
export function saveCsv(sheet: Sheet, origin: Origin): void {
  const told = { ...sheet, notes: [originLine(origin), ...(sheet.notes ?? [])] };
  save(new Blob(["\ufeff", csvOf(told)], { type: "text/csv;charset=utf-8" }), `${sheet.name}.csv`);
}

/** CSS colours of a picture's line. */
export interface Look {
  card: string;
  text: string;
}

const HEAD = 34;

/** A picture with a line above it that says where it is from. */
export function framed(picture: HTMLCanvasElement, origin: Origin, look: Look): HTMLCanvasElement {
  const scale = picture.clientWidth ? picture.width / picture.clientWidth : devicePixelRatio;
  const made = document.createElement("canvas");
  made.width = picture.width;
  made.height = picture.height + Math.round(HEAD * scale);
  const pen = made.getContext("2d");
  if (!pen) return picture;
  pen.fillStyle = look.card;
  pen.fillRect(0, 0, made.width, made.height);
  pen.fillStyle = look.text;
  pen.textBaseline = "middle";
  pen.font = `600 ${12 * scale}px system-ui, sans-serif`;
  pen.fillText(originLine(origin), 12 * scale, (HEAD / 2) * scale, made.width - 24 * scale);
  pen.drawImage(picture, 0, Math.round(HEAD * scale));
  return made;
}

/** Hand over a canvas as a picture. */
export function savePng(canvas: HTMLCanvasElement, name: string): void {
  canvas.toBlob((blob) => blob && save(blob, `${name}.png`), "image/png");
}

/** Hand over a picture with its origin; the name of the file says what and of when. */
export function savePicture(picture: HTMLCanvasElement, id: string, origin: Origin, look: Look): void {
  const stamp = (origin.asOf ?? new Date().toISOString()).slice(0, 19).replaceAll(/[-:]/g, "");
  savePng(framed(picture, origin, look), `${id}-${origin.symbol}-${stamp}Z`);
}
