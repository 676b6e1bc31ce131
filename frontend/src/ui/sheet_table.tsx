/** A sheet as a table: what a chart says, for who cannot see it. */
import { words } from "../words/vocabulary";
import type { Sheet } from "./export";
import { datetime, number } from "./format";
import { Table } from "./table";

/** Times are shown in the zone of the settings. */
const ISO = /^\d{4}-\d\d-\d\dT.*Z$/;
const MOST_ROWS = 500;
type Row = { at: number; cells: (string | number | null)[] };

function shown(value: string | number | null | undefined): string {
  if (value == null) return "—";
  if (typeof value === "string") return ISO.test(value) ? datetime(Date.parse(value)) : value;
  return number(value, Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 2 : 4);
}

/** The newest 500 rows at most; the CSV has them all. */
export function SheetTable({ title, sheet }: { title: string; sheet: () => Sheet }) {
  const { columns, rows } = sheet();
  const made: Row[] = rows.slice(0, MOST_ROWS).map((cells, at) => ({ at, cells }));
  return (
    <div class="sheet">
      <Table
        caption={words("as_table", { title })}
        columns={columns.map((label, at) => ({
          key: String(at),
          label,
          isNumber: typeof rows[0]?.[at] === "number",
          show: (row: Row) => shown(row.cells[at]),
          by: (row: Row) => row.cells[at] ?? null,
        }))}
        rows={made}
        rowKey={(row) => row.at}
      />
    </div>
  );
}
