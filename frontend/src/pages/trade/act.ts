/** What may be done to trading from a page: make it less. */
import { post } from "../../acts/post";

/** Let the mode fall; throws `Refusal` or `Unreachable`. */
export const lower = (mode: "observe" | "paper"): Promise<unknown> => post("/api/v1/trade/mode", { mode });

/** Pull the kill switch; throws as `lower`. */
export const halt = (why: string): Promise<unknown> => post("/api/v1/trade/halt", { why });
