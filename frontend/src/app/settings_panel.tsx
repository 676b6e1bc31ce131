/** The settings: how it looks and reads. */
import type { Signal } from "@preact/signals";
import { Dialog } from "../ui/dialog";
import { zoneName } from "../ui/format";
import { type Choice, Segments } from "../ui/picker";
import { tells } from "./dialog_words";
import { settingsOpen } from "./open";
import { directions, language, ramp, sound, theme, zone } from "./settings";
import { says } from "./words";

function Row<T extends string>({
  label,
  value,
  choices,
}: {
  label: string;
  value: Signal<T>;
  choices: readonly Choice<T>[];
}) {
  return (
    <div class="setting">
      <span>{label}</span>
      <Segments label={label} value={value} choices={choices} />
    </div>
  );
}

/** As `zoneName` tells it of this machine. */
function localZone(): string {
  return zone.value === "local" ? zoneName() : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function Settings() {
  return (
    <>
      <Row
        label={tells("language")}
        value={language}
        choices={[
          { value: "en", label: "English" },
          { value: "ko", label: "한국어" },
        ]}
      />
      <Row
        label={tells("theme")}
        value={theme}
        choices={(["dark", "light", "auto"] as const).map((value) => ({ value, label: tells(value) }))}
      />
      <Row
        label={tells("directions")}
        value={directions}
        choices={(["cvd", "western", "korean"] as const).map((value) => ({ value, label: tells(value) }))}
      />
      <p class="sample">
        <span class="long">▼ $84.1M</span> <i class="bar-long" /> <span class="short">▲ $51.7M</span>{" "}
        <i class="bar-short" />
      </p>
      <p class="dim">{tells("directions_note")}</p>
      <Row
        label={tells("ramp")}
        value={ramp}
        choices={(["inferno", "cividis", "grey"] as const).map((value) => ({ value, label: tells(value) }))}
      />
      <Row
        label={tells("zone")}
        value={zone}
        choices={[
          { value: "utc", label: tells("utc") },
          { value: "local", label: tells("local", { zone: localZone() }) },
        ]}
      />
      <label class="setting">
        <span>{tells("sound")}</span>
        <span class="row">
          <input
            type="checkbox"
            checked={sound.value}
            onChange={(event) => {
              sound.value = event.currentTarget.checked;
            }}
          />
          {tells("sound_on")}
        </span>
      </label>
      <p class="dim">{tells("kept")}</p>
    </>
  );
}

/** See above, as a dialog. */
export function SettingsPanel() {
  return (
    <Dialog id="settings" title={says("settings")} isOpen={settingsOpen}>
      <Settings />
    </Dialog>
  );
}
