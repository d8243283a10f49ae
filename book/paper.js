// Turn the articles of all pages into one document for paper. Names are of the page that they stand on, links lead to
// places of the document, what is folded is open, and what only a screen can do gives way to a line of words.
() => {
  "use strict";
  const pages = [...document.querySelectorAll("section.page")];
  const names = new Map(pages.map((page) => [`${page.dataset.page}.html`, page.id]));
  const line = (text) => Object.assign(document.createElement("p"), { className: "on-the-site", textContent: text });
  for (const page of pages) {
    const all = (selector) => [...page.querySelectorAll(selector)];
    const here = new URL(`${page.dataset.page}.html`, location.origin);
    const own = (id) => `${page.id}--${id}`;

    for (const picture of all(".theorem1-explorer, .stability-picture, .asking")) {
      const words = picture.querySelector("noscript")?.textContent ?? "";
      const title = picture.querySelector("[aria-label]")?.getAttribute("aria-label") ?? "";
      picture.replaceWith(line(words || `On the site a picture stands here that moves under the reader's hand. ${title}`));
    }
    const screen = "details.hide, .headerlink, .downloads, button, form, input, noscript, link, .scorecard details, .toctree-wrapper, .d-print-none";
    all(screen).forEach((part) => part.remove());
    all("details").forEach((part) => (part.open = true));
    all(".cell").filter((cell) => !cell.textContent.trim() && !cell.querySelector("img, svg")).forEach((cell) => cell.remove());

    all("[id]").forEach((part) => (part.id = own(part.id)));
    for (const name of ["aria-labelledby", "aria-describedby", "for"])
      all(`[${name}]`).forEach((part) => part.setAttribute(name, part.getAttribute(name).split(" ").map(own).join(" ")));
    for (const image of all("img")) image.src = new URL(image.getAttribute("src"), here).href;
    for (const link of all("a[href]")) {
      const to = new URL(link.getAttribute("href"), here);
      if (to.origin !== location.origin) continue;
      const place = names.get(to.pathname.slice(1));
      const target = place && (to.hash ? `${place}--${decodeURIComponent(to.hash.slice(1))}` : place);
      if (target) link.setAttribute("href", `#${target}`);
      else link.replaceWith(...link.childNodes); // a file of the site, which paper has not
    }
  }
  const places = [...document.querySelectorAll('a[href^="#"]')].map((link) => link.getAttribute("href"));
  return places.filter((place) => !document.getElementById(place.slice(1)));
};
