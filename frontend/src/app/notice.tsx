/** What is wrong with everything at once, said once above all pages; panels say when their figures are of. */
import { useComputed } from "@preact/signals";
import { second } from "../live/clock";
import { standing } from "../live/standing";
import { connection, retryNow } from "../live/stream";
import { age } from "../ui/format";
import { words } from "../words/vocabulary";
import { type Health, health } from "./status";
import { says } from "./words";

/** How long ago the heart told something, real ms. */
function silence(): number | null {
  const at = standing.value.receivedAt;
  return at === null ? null : performance.now() - at;
}

function lost(): string {
  const { attempt, retryAt } = connection.value;
  const s = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
  const next = retryAt === null ? words("lost_trying", { attempt }) : words("lost_next", { attempt, s });
  return `✕ ${words("lost", { host: location.host })} · ${next}`;
}

function textOf(name: Health["name"]): string | null {
  if (name === "lost") return lost();
  if (name === "gone") return `✕ ${says("gone_notice", { age: age(silence()) })}`;
  if (name === "none") {
    const { note } = standing.value;
    return `◌ ${says("none_title")}${note === null ? "" : ` · ${note}`}`;
  }
  return null;
}

/** See above; nothing while all is well, or only a venue is late. */
export function Notice() {
  const text = useComputed(() => {
    second.value;
    return textOf(health.value.name);
  });
  const { name } = health.value;
  if (textOf(name) === null) return <div hidden />;
  return (
    <div class={`notice ${name === "none" ? "warn" : "bad"}`} data-notice={name}>
      <span>{text}</span>
      {name === "lost" ? (
        <button type="button" onClick={retryNow}>
          {words("retry")}
        </button>
      ) : null}
    </div>
  );
}
