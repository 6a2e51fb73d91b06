/** Longer than any line that the API defines: a removal's summary names at most 1,000 members. */
const longestLineCharacters = 1_048_576;

/**
 * Splits a byte stream into the lines of NDJSON; empty lines are keep-alives and are skipped. What
 * follows the last line break is dropped, because a line that was cut off says nothing.
 * @throws RangeError when a line is longer than a mebibyte
 */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of source) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLineCharacters)
      throw new RangeError(`a line is longer than ${longestLineCharacters} characters`);
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}
