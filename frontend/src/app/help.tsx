/** The sheet of keys, and what the tags mean. */
import { Dialog } from "../ui/dialog";
import { DataTag, KindTag } from "../ui/tag";
import { tells } from "./dialog_words";
import { type Keys, keys } from "./keyboard";
import { helpOpen } from "./open";
import { says } from "./words";

const SHOWN: Record<string, string> = {
  " ": "Space",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  "Ctrl+k": "Ctrl K",
};

function List({ title, sets }: { title: string; sets: readonly Keys[] }) {
  const all = Object.entries(Object.assign({}, ...sets) as Keys);
  if (!all.length) return null;
  const labels = [...new Set(all.map(([, key]) => key.label))];
  return (
    <section>
      <h3>{title}</h3>
      <dl class="keys">
        {labels.map((label) => (
          <div key={label}>
            <dt>
              {all
                .filter(([, key]) => key.label === label)
                .map(([name]) => (
                  <kbd key={name}>{SHOWN[name] ?? name}</kbd>
                ))}
            </dt>
            <dd>{label}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Meanings() {
  return (
    <section>
      <h3>{tells("what")}</h3>
      <dl class="meanings">
        <dt>
          <KindTag kind="model" />
        </dt>
        <dd>{tells("model_help")}</dd>
        <dt>
          <KindTag kind="observed" />
        </dt>
        <dd>{tells("observed_help")}</dd>
        <dt>
          <DataTag data="demo" />
        </dt>
        <dd>{tells("demo_help")}</dd>
        <dt>
          <DataTag data="replay" />
        </dt>
        <dd>{tells("replay_help")}</dd>
      </dl>
      <p class="dim">{tells("states_help")}</p>
      <p class="dim">{tells("unknown_help")}</p>
    </section>
  );
}

/** See above, as a dialog. */
export function Help() {
  const [everywhere, ...ofPage] = keys.value;
  return (
    <Dialog id="help" title={says("help")} isOpen={helpOpen}>
      <List title={tells("keys_page")} sets={ofPage} />
      <List title={tells("keys_all")} sets={everywhere ? [everywhere] : []} />
      <Meanings />
    </Dialog>
  );
}
