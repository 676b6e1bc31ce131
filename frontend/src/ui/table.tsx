/** Tables that sort by their columns. */
import { useSignal } from "@preact/signals";
import type { ComponentChild } from "preact";
import { words } from "../words/vocabulary";

export interface Column<T> {
  key: string;
  label: string;
  /** What stands in the cell. */
  show: (row: T) => ComponentChild;
  /** What it is sorted by; without it the column does not sort. null goes last. */
  by?: (row: T) => string | number | null;
  isNumber?: boolean;
  title?: string;
}

export interface TableProps<T> {
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string | number;
  /** Column it is sorted by at first; `-` before it = the largest first. */
  sorted?: string;
  caption?: string;
  rowClass?: (row: T) => string;
  onRow?: (row: T) => void;
}

function compared(a: string | number | null, b: string | number | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

/** Rows by a column; unknown ones last whichever way it runs. */
export function sortedBy<T>(rows: readonly T[], by: (row: T) => string | number | null, isDown: boolean): T[] {
  const told = rows.map((row) => ({ row, value: by(row) }));
  const known = told.filter(({ value }) => value !== null);
  const unknown = told.filter(({ value }) => value === null);
  known.sort((a, b) => (isDown ? -1 : 1) * compared(a.value, b.value));
  return [...known, ...unknown].map(({ row }) => row);
}

function Head<T>({ column, order, onSort }: { column: Column<T>; order: string; onSort: (order: string) => void }) {
  const isDown = order === `-${column.key}`;
  const isUp = order === column.key;
  const next = isDown ? column.key : `-${column.key}`;
  return (
    <th
      scope="col"
      class={column.isNumber ? "number" : ""}
      title={column.title}
      aria-sort={isDown ? "descending" : isUp ? "ascending" : undefined}
    >
      {column.by ? (
        <button
          type="button"
          class="sort"
          aria-label={words("sort", { column: column.label })}
          onClick={() => onSort(next)}
        >
          {column.label}
          <span aria-hidden="true">{isDown ? " ▾" : isUp ? " ▴" : ""}</span>
        </button>
      ) : (
        column.label
      )}
    </th>
  );
}

/** A table in a frame that scrolls sideways where it is too wide. */
export function Table<T>({ columns, rows, rowKey, sorted = "", caption, rowClass, onRow }: TableProps<T>) {
  const order = useSignal(sorted);
  const by = columns.find((column) => column.key === order.value.replace(/^-/, ""))?.by;
  const shown = by ? sortedBy(rows, by, order.value.startsWith("-")) : rows;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="table-frame" tabIndex={0}>
      <table>
        {caption ? <caption class="unseen">{caption}</caption> : null}
        <thead>
          <tr>
            {columns.map((column) => (
              <Head
                key={column.key}
                column={column}
                order={order.value}
                onSort={(next) => {
                  order.value = next;
                }}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr
              key={rowKey(row)}
              class={`${rowClass?.(row) ?? ""}${onRow ? " pressable" : ""}`}
              onClick={onRow ? () => onRow(row) : undefined}
            >
              {columns.map((column) => (
                <td key={column.key} class={column.isNumber ? "number" : ""}>
                  {column.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length ? null : <p class="dim none">{words("rows_none")}</p>}
    </section>
  );
}
