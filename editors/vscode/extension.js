// Starts `ae-audit server` and passes on what VS Code and the server tell each other.
"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function activate(context) {
  const [command, ...args] = vscode.workspace.getConfiguration("ae-audit").get("command");
  client = new LanguageClient(
    "ae-audit",
    "ae-audit",
    { command, args },
    {
      documentSelector: [{ language: "python" }],
      synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/{*.py,pyproject.toml}") },
    },
  );
  context.subscriptions.push(
    vscode.commands.registerCommand("ae-audit.proveIt", async () => {
      const editor = vscode.window.activeTextEditor;
      if (editor === undefined) {
        return;
      }
      if (!vscode.workspace.isTrusted) {
        vscode.window.showWarningMessage("ae-audit runs programs in trusted workspaces only.");
        return;
      }
      await editor.document.save();
      const uri = client.code2ProtocolConverter.asUri(editor.document.uri);
      const said = await client.sendRequest("workspace/executeCommand", { command: "ae-audit.prove", arguments: [uri] });
      vscode.window.showInformationMessage(`ae-audit: ${said}`);
    }),
  );
  await client.start();
}

async function deactivate() {
  await client?.stop();
}

module.exports = { activate, deactivate };
