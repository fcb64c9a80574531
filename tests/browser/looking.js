/* What is wrong with the page as it is laid out, and what is written on it. Runs in the page; changes nothing. */
() => {
  const faults = [];
  const name = (element) => {
    const own = element.tagName.toLowerCase() + (element.id ? `#${element.id}` : "") + [...element.classList].map((each) => `.${each}`).join("");
    return `${own} “${(element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40)}”`;
  };
  const root = document.scrollingElement;
  const width = root.clientWidth;
  /* Only for the ears: one pixel, clipped away. */
  const unseen = (element) => {
    for (let each = element; each; each = each.parentElement) if (getComputedStyle(each).clipPath === "inset(50%)") return true;
    return !element.checkVisibility({ visibilityProperty: true });
  };
  if (root.scrollWidth > width) {
    const wide = [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > width + 1 && !unseen(each));
    faults.push(`the page is ${root.scrollWidth} px wide in a window of ${width}: ${wide.slice(-3).map(name).join(", ")}`);
  }
  for (const element of document.querySelectorAll("body *:not(input, select, textarea, svg, svg *)")) {
    if (!element.textContent.trim() || unseen(element)) continue;
    const style = getComputedStyle(element);
    if (style.overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1) faults.push(`cut at the side: ${name(element)}`);
    if (["hidden", "clip"].includes(style.overflowY) && element.scrollHeight > element.clientHeight + 1) faults.push(`cut below: ${name(element)}`);
  }
  for (const field of document.querySelectorAll("select")) {
    const chosen = field.selectedOptions[0];
    if (!chosen || unseen(field)) continue;
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = getComputedStyle(field).font;
    if (pen.measureText(chosen.text).width > field.clientWidth - 24) faults.push(`cut in its field: ${name(chosen)}`);
  }
  const headings = [...document.querySelectorAll("h1, h2, h3, h4")].filter((each) => !unseen(each)).map((each) => Number(each.tagName[1]));
  if (headings.filter((each) => each === 1).length !== 1) faults.push("not one <h1>");
  headings.forEach((each, at) => { if (at && each > headings[at - 1] + 1) faults.push(`<h${each}> follows <h${headings[at - 1]}>`); });
  const spoken = [...document.querySelectorAll("[aria-label], [title], [alt], [placeholder]")].flatMap((each) =>
    ["aria-label", "title", "alt", "placeholder"].map((which) => each.getAttribute(which) || ""));
  const codes = [...document.querySelectorAll("code, .written, textarea")].map((each) => each.innerText);
  const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return {
    faults,
    text: [document.title, document.body.innerText, ...spoken].join("\n"),
    codes: codes.join("\n"),
    language: document.documentElement.lang,
    bytes: loaded.reduce((sum, each) => sum + each.encodedBodySize, 0),
  };
}
