/** The frame's dialogs: loaded when the first of them is opened. */
import "../theme/dialogs.css";
import { Help } from "./help";
import { PaletteDialog } from "./palette";
import { SettingsPanel } from "./settings_panel";
import { Unlock } from "./unlock";

/** All of them, closed until they are wanted. */
export default function Dialogs() {
  return (
    <>
      <PaletteDialog />
      <SettingsPanel />
      <Help />
      <Unlock />
    </>
  );
}
