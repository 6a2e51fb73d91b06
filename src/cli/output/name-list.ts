/** More names than fit on a screen tell nobody anything. */
const mostNames = 20;

/** The first names, and how many more there are. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).join(', ');
  return names.length > mostNames ? `${shown} and ${names.length - mostNames} more` : shown;
}
