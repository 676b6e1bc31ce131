/** Where the dashboard begins. */
import "./theme/colours"; // the tokens, and the theme they follow
import "./theme/base.css";
import "./theme/panels.css";
import "./theme/shell.css";
import "./theme/narrow.css";
import { render } from "preact";
import { Shell } from "./app/shell";
import { ready } from "./words/words";

const root = document.getElementById("app");
void ready().then(() => root && render(<Shell />, root));
