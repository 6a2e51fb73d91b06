import { resolve } from 'node:path';

/** The options of an etcd URL that name files. */
const fileOptions: readonly string[] = ['ca', 'cert', 'key', 'password-file'];

/**
 * A store's URL in which every path is absolute, so that it can be written into files. What is no
 * store's URL stays as it is: whoever opens it says what is wrong.
 */
export function absoluteStoreUrl(url: string): string {
  const [, path] = /^sqlite:(.+)$/s.exec(url) ?? [];
  if (path !== undefined) return `sqlite:${resolve(path)}`;
  const [, cluster, query] = /^(etcds?:[^?]*)\?(.*)$/s.exec(url) ?? [];
  if (cluster === undefined || query === undefined) return url;
  return `${cluster}?${query.split('&').map(absoluteOption).join('&')}`;
}

function absoluteOption(option: string): string {
  const [, name = '', value = ''] = /^([^=]*)=(.+)$/s.exec(option) ?? [];
  if (!fileOptions.includes(name)) return option;
  try {
    return `${name}=${encodeURI(resolve(decodeURIComponent(value))).replaceAll(/[&#?]/g, encodeURIComponent)}`;
  } catch {
    // A percent sign that is not followed by two digits.
    return option;
  }
}
