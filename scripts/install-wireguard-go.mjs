// Installs a wireguard-go that Hanse can use, for machines whose kernel has no WireGuard.
import { installFromBackports } from './lib/backports.mjs';

try {
  await installFromBackports(['wireguard-go'], { log: (message) => console.error(message) });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
