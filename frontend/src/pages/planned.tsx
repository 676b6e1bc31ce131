import type { ComponentChildren } from "preact";
import { href, type PageName } from "../app/route";
import { Panel } from "../ui/panel";
import { words } from "../words/vocabulary";
import { dictionary } from "../words/words";
import "./planned.css";

const says = dictionary(
  {
    not_built: "Not built in this version",
    will_be: "What will be here",
    meanwhile: "What there is already",
  },
  {
    not_built: "이 버전에는 아직 없습니다",
    will_be: "여기에 들어올 것",
    meanwhile: "지금 볼 수 있는 것",
  },
);

export interface PlannedProps {
  readonly id: string;
  readonly title: string;
  /** One or two sentences: what is not there, and what therefore cannot happen. */
  readonly lead: string;
  readonly will: readonly { readonly name: string; readonly text: string }[];
  readonly pages: readonly PageName[];
  readonly children?: ComponentChildren;
}

/** A page whose part does not exist yet: says so, says what it will be, and offers nothing that does not work. */
export function Planned({ id, title, lead, will, pages, children }: PlannedProps) {
  return (
    <Panel id={id} title={title} kind={null} state={{ name: "ready" }} asOfMs={null}>
      <div class="planned" data-planned={id}>
        <p class="planned-lead">
          <span class="tag">{says("not_built")}</span> {lead}
        </p>
        <h3>{says("will_be")}</h3>
        <dl class="planned-will">
          {will.map((one) => (
            <div key={one.name}>
              <dt>{one.name}</dt>
              <dd>{one.text}</dd>
            </div>
          ))}
        </dl>
        {children}
        <p class="planned-pages">
          <span class="dim">{says("meanwhile")}</span>
          {pages.map((name) => (
            <a key={name} href={href(name)}>
              {words(name)}
            </a>
          ))}
        </p>
      </div>
    </Panel>
  );
}
