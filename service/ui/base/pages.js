// A long list that is fetched page by page, when its rows come near the screen.

export const SIZE = 100; // rows of a page

/** `fetchPage(offset, limit)` returns an array of rows; `loaded(first, last)` is called when rows have arrived. `first`: the first page, if it is at hand. */
export class Pages {
  constructor(fetchPage, loaded, first = null) {
    Object.assign(this, { fetchPage, loaded, rows: [...(first ?? [])], requested: new Set(first ? [0] : []) });
  }

  row(number) {
    return this.rows[number];
  }

  /** Fetches the missing ones of the rows first … last - 1. */
  fetchRange(first, last) {
    for (let page = Math.floor(first / SIZE); page * SIZE < last; page += 1) {
      if (!this.requested.has(page)) this.load(page);
    }
  }

  async load(page) {
    this.requested.add(page);
    try {
      const found = await this.fetchPage(page * SIZE, SIZE);
      found.forEach((row, place) => (this.rows[page * SIZE + place] = row));
      this.loaded(page * SIZE, page * SIZE + found.length);
    } catch {
      this.requested.delete(page); // the next scroll tries again
    }
  }
}
