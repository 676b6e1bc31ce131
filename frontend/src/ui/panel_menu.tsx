/** What else a panel offers: its rows, its picture, a table, a link. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words/vocabulary";
import type { Origin } from "./export";
import { Icon } from "./icon";
import { later } from "./later";
import type { PanelProps } from "./panel";

export type MenuProps = Pick<PanelProps, "id" | "csv" | "png" | "table"> & {
  isTable: Signal<boolean>;
  origin: () => Origin;
};

const List = later(async () => (await import("./panel_list")).PanelList);

/** A button that opens a list. */
export function PanelMenu({ id, csv, png, table, isTable, origin }: MenuProps) {
  const isOpen = useSignal(false);
  const at = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const leave = (event: Event): void => {
      if (event instanceof KeyboardEvent ? event.key === "Escape" : !at.current?.contains(event.target as Node)) {
        isOpen.value = false;
      }
    };
    document.addEventListener("pointerdown", leave);
    document.addEventListener("keydown", leave);
    return () => {
      document.removeEventListener("pointerdown", leave);
      document.removeEventListener("keydown", leave);
    };
  }, []);
  return (
    <div class="menu" ref={at}>
      <button
        type="button"
        class="icon"
        aria-haspopup="menu"
        aria-expanded={isOpen.value}
        aria-label={words("menu")}
        title={words("menu")}
        onClick={() => {
          isOpen.value = !isOpen.value;
        }}
      >
        <Icon name="more" />
      </button>
      {isOpen.value ? (
        <List id={id} csv={csv} png={png} table={table} isTable={isTable} isOpen={isOpen} origin={origin} />
      ) : null}
    </div>
  );
}
