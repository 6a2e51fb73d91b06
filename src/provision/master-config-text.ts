/**
 * The first configuration of a master, as YAML for people to change. JSON strings are YAML strings,
 * so nothing in a path can change its meaning.
 */
export function masterConfigText(config: {
  readonly name: string;
  readonly dir: string;
  readonly store: string;
  readonly listen: string;
  readonly metricsListen: string;
}): string {
  return [
    '# A master of a Hanse VPN. The options of `hanse master run` win over this file.',
    `name: ${JSON.stringify(config.name)}`,
    `dir: ${JSON.stringify(config.dir)}`,
    `store: ${JSON.stringify(config.store)}`,
    '# The API and the control sessions (TCP).',
    `listen: ${JSON.stringify(config.listen)}`,
    '# Prometheus metrics; leave it out for none.',
    `metricsListen: ${JSON.stringify(config.metricsListen)}`,
    '# error, warn, info, debug or silent',
    'logLevel: info',
    '',
  ].join('\n');
}
