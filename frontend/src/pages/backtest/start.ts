/** Start and cancel backtests. */
import { post } from "../../acts/post";
import type { components } from "../../live/schema";
import type { Job } from "./figures";

export type Order = components["schemas"]["BacktestOrder"];

const job = async (path: string, order: unknown): Promise<Job> => (await post(path, order)).backtest as Job;

/** Start one; throws `Refusal` or `Unreachable`. */
export const start = (order: Order): Promise<Job> => job("/api/v1/backtests", order);

/** End one that runs or waits; throws as `start`. */
export const cancel = (id: string): Promise<Job> => job(`/api/v1/backtests/${id}/cancel`, {});
