// Makes a trace of the model small enough to keep: of each step what was done, the blocks proposed, and of the
// one validator that did it what the core must agree with.
//
//   node thin.mjs TRACE.itf.json > SMALL.json
import { readFileSync } from "node:fs";

const plain = (value) => {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  if ("#bigint" in value) return Number(value["#bigint"]);
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, plain(of)]));
};
const variable = (state, name) => plain(Object.entries(state).find(([key]) => key.split("::").pop() === name)[1]);

const states = JSON.parse(readFileSync(process.argv[2], "utf8")).states.map((state, index) => {
  const did = variable(state, "did");
  const nodes = variable(state, "nodes")["#map"]
    .filter(([node]) => index === 0 || node === did.node)
    .map(([node, { up, view, tip, own, pending }]) => [node, { up, view, tip, own, pending }]);
  return JSON.stringify({ did, proposed: variable(state, "proposed"), nodes: { "#map": nodes } });
});
process.stdout.write(`{"states":[\n${states.join(",\n")}\n]}\n`);
