// Commands for people to copy.  Names come from people and agents, and end up in a shell: they are quoted, always.

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export function deviceAddCommand(site: string, name: string): string {
  // A leading dash would be taken for an option.
  const words = [site, name].map(shellWord);
  const guard = words.some((w) => w.startsWith("-")) ? "-- " : "";
  return `sudo branchline device add ${guard}${words.join(" ")}`;
}

export function agentSetupCommand(file: string): string {
  return `sudo branchline-agent setup ${shellWord(file)}`;
}
