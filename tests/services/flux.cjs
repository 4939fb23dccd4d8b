// Judges Flux queries: one per line of standard input, as JSON; answers with one line of errors each.
const {Flux, Lsp} = require("@influxdata/flux-lsp-node");
const {createInterface} = require("node:readline");

globalThis.console = new console.Console(process.stderr); // the package logs; answers stand alone

const answers = new Map();
const lsp = new Lsp();
lsp.onMessage((text) => {
  const {method, params} = JSON.parse(text);
  if (method === "textDocument/publishDiagnostics") answers.get(params.uri)?.(params.diagnostics);
});

let number = 0;
async function errors(text) {
  if (new Flux(text).is_valid()) return [];
  const uri = `file:///${number++}.flux`;
  const diagnostics = new Promise((answer) => answers.set(uri, answer));
  const textDocument = {uri, languageId: "flux", version: 1, text};
  const method = "textDocument/didOpen";
  await lsp.send(JSON.stringify({jsonrpc: "2.0", method, params: {textDocument}}));
  const told = (await diagnostics).filter(({severity}) => severity === 1);
  return told.length ? told.map(({message}) => message) : ["it is not valid"];
}

async function main() {
  lsp.run();
  const hello = {jsonrpc: "2.0", id: 1, method: "initialize", params: {capabilities: {}}};
  await lsp.send(JSON.stringify(hello));
  for await (const line of createInterface({input: process.stdin})) {
    process.stdout.write(`${JSON.stringify(await errors(JSON.parse(line)))}\n`);
  }
  process.exit(0);
}

main();
