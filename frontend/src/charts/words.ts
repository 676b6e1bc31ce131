import { dictionary } from "../words/words";

export const chartWords = dictionary(
  { unseen: "not seen", seen: "{share} % seen" },
  { unseen: "미수신 구간", seen: "{share} % 수신" },
);
