/* results.json: figures to four digits, a line for each record, so that two runs can be compared. */

function rounded(name, value) {
  return Number.isFinite(value) && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
}

function list(items) {
  return `[\n${items.map(item => JSON.stringify(item, rounded)).join(',\n')}\n]`;
}

/* Its text. `records` and `acceptance` are lists; the rest is small. */
export function written({records, acceptance, ...others}) {
  const parts = Object.entries(others).map(([name, part]) => `${JSON.stringify(name)}: ${JSON.stringify(part)}`);
  return `{\n${[...parts, `"records": ${list(records)}`, `"acceptance": ${list(acceptance)}`].join(',\n')}\n}\n`;
}
