// A long list that arrives a page at a time: rows 0, 1, 2 … of the server, fetched when the screen comes near them.

const SIZE = 100;

/** `fetchPage(offset, limit)` gives an array; `arrived(first, last)` hears when rows are there. */
export class Pages {
  constructor(fetchPage, arrived) {
    Object.assign(this, { fetchPage, arrived, rows: [], asked: new Set() });
  }

  row(number) {
    return this.rows[number];
  }

  /** Fetches what is missing of the rows first … last - 1. */
  want(first, last) {
    for (let page = Math.floor(first / SIZE); page * SIZE < last; page += 1) {
      if (!this.asked.has(page)) this.load(page);
    }
  }

  async load(page) {
    this.asked.add(page);
    try {
      const found = await this.fetchPage(page * SIZE, SIZE);
      found.forEach((row, place) => (this.rows[page * SIZE + place] = row));
      this.arrived(page * SIZE, page * SIZE + found.length);
    } catch {
      this.asked.delete(page); // the next scroll asks again
    }
  }
}
