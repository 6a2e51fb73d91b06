/** A column of a listing: its heading, and whether its cells are numbers. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'left' | 'right';
}

/**
 * Lines of aligned cells under headings, two spaces apart, without trailing spaces. Cells hold no
 * escape sequences: a name that came from elsewhere can neither colour nor move anything.
 */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(({ heading }) => heading),
    ...rows.map((row) => columns.map(({ cell }) => printable(cell(row)))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => widthAt(line, index))));
  const lines = cells.map((line) =>
    line
      .map((text, index) => pad(text, widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** Labels and values under each other; values that are undefined are left out. */
export function formatFields(
  fields: readonly (readonly [label: string, value: string | undefined])[],
): string {
  const shown = fields.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([label]) => label.length));
  return shown
    .map(([label, value]) => `${label.padEnd(width)}  ${printable(value ?? '')}\n`)
    .join('');
}

/** Text from elsewhere with its control characters replaced. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\u{fffd}');
}

function widthAt(line: readonly string[], index: number): number {
  return line[index]?.length ?? 0;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  return align === 'left' ? text.padEnd(width) : text.padStart(width);
}
