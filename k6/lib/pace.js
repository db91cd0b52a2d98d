// Waiting without blocking: the other shoppers of the same virtual user go on meanwhile.

export function later(milliseconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
