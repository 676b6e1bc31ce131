/** The list of what else a panel offers, and what each of it does. */
import { type Signal, useSignal } from "@preact/signals";
import { colours } from "../theme/colours";
import { words } from "../words/vocabulary";
import { dictionary } from "../words/words";
import { copy } from "./copy";
import { saveCsv, savePicture } from "./export";
import type { MenuProps } from "./panel_menu";

const says = dictionary(
  {
    csv: "Download CSV",
    png: "Download picture (PNG)",
    table: "View as table",
    picture: "View as picture",
    link: "Copy link to this view",
  },
  {
    csv: "CSV 내려받기",
    png: "이미지(PNG) 내려받기",
    table: "표로 보기",
    picture: "차트로 보기",
    link: "이 화면 링크 복사",
  },
);

/** The address of a panel as it is set now. */
const linkTo = (id: string): string => `${location.origin}${location.pathname}${location.search}#${id}`;

function Item({ run, label }: { run: () => void; label: string }) {
  return (
    <button type="button" role="menuitem" onClick={run}>
      {label}
    </button>
  );
}

async function take<T>(making: T | null | Promise<T | null>, use: (made: T) => void): Promise<void> {
  const made = await making;
  if (made !== null) use(made);
}

/** See above. */
export function PanelList({ id, csv, png, table, isTable, isOpen, origin }: MenuProps & { isOpen: Signal<boolean> }) {
  const copied = useSignal(false);
  const then = (run: () => void) => () => {
    isOpen.value = false;
    run();
  };
  return (
    <div class="list" role="menu">
      {csv ? <Item label={says("csv")} run={then(() => void take(csv(), (made) => saveCsv(made, origin())))} /> : null}
      {png ? (
        <Item
          label={says("png")}
          run={then(() => void take(png(), (made) => savePicture(made, id, origin(), colours.peek())))}
        />
      ) : null}
      {table ? (
        <Item
          label={says(isTable.value ? "picture" : "table")}
          run={then(() => {
            isTable.value = !isTable.value;
          })}
        />
      ) : null}
      <Item
        label={copied.value ? words("copied") : says("link")}
        run={() =>
          void copy(linkTo(id)).then((is) => {
            copied.value = is;
          })
        }
      />
    </div>
  );
}
