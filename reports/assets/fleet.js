// Draws a fleet's run from the JSON in #data, with page.js: `run` (touchstone.results.Run), a result for each variant.
(async () => {
  const data = await readData();
  if (!data) return;
  const { run } = data;
  const page = document.getElementById("page");
  const results = run.scenarios || [];
  const tones = ["--accent", "--fail", "--gold", "--info", "--inconclusive", "--pass", "--flaky", "--crash"];
  const toneOf = (i) => `var(${tones[i % tones.length]})`;
  const tiers = [...new Set(results.map((one) => one.fidelity || "?"))];
  const nameOf = (one) => (one.variant || run.name || "run") + (tiers.length > 1 ? `, ${one.fidelity}` : "");
  const verdictOf = (one) => one.verdict || "unspecified";
  const chip = (verdict, text) => h("span", { class: `chip ${verdict}` }, text || verdict.replace("_", "-"));
  const short = (value) => {
    const size = Math.abs(value);
    if (size >= 1e9) return `${+(value / 1e9).toPrecision(3)} G`;
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
    return String(+value.toPrecision(4));
  };
  const withUnit = (value, unit) => {
    if (unit === "us") return duration(+value.toPrecision(3));
    if (unit === "bytes" && value < 1e6) return value >= 1e4 ? `${+(value / 1e3).toPrecision(3)} kB` : `${Math.round(value)} B`;
    if (unit === "bytes") return value >= 1e9 ? `${+(value / 1e9).toPrecision(3)} GB` : `${+(value / 1e6).toPrecision(3)} MB`;
    if (unit === "percent") return `${+value.toPrecision(3)} %`;
    return unit && unit !== "1" ? `${short(value)} ${unit}` : short(value);
  };
  const words = (name) => name.replaceAll("_", " ");
  const main = h("main", { class: "wrap" });
  const sections = [];
  const section = (id, title, of, ...content) => {
    sections.push([id, title]);
    main.append(h("section", { id }, h("h2", {}, title, of !== undefined && h("span", { class: "of" }, String(of))), content));
  };
  const table = (heads, rows) => h("div", { class: "sheet scrolls" }, h("table", { class: "matrix" },
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, head)))), h("tbody", {}, rows)));

  // ---- overview ----------------------------------------------------------------------------------------------------

  const measureOf = (one, name) => (one.measures || []).find((measure) => measure.name === name);
  const tile = (one) => {
    const connected = measureOf(one, "connected");
    return h("div", { class: "tile" },
      h("header", {}, h("div", {}, h("div", { class: "kind" }, `tier ${one.fidelity || "?"}`),
        h("div", { class: "name" }, nameOf(one))), chip(verdictOf(one))),
      h("div", { class: "figure" }, h("strong", {}, connected ? short(number(connected.value)) : "–"), "connected at the end"),
      h("dl", { class: "facts" }, [
        ["virtual time", duration(number(one.virtual_duration_us))],
        ["steps", short(number(one.events))],
        ["seed", String(one.seed || 0)],
        ["digest", h("code", {}, one.digest)],
      ].map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      one.reason && h("p", {}, one.reason), command(one.reproduce));
  };
  section("overview", "Overview", (results[0] || {}).description,
    h("div", { class: "tiles" }, results.slice(0, 12).map(tile)),
    (run.notes || []).length > 0 && h("ul", { class: "notes" }, run.notes.map((note) => h("li", {}, note))));

  // ---- tiers -------------------------------------------------------------------------------------------------------

  const agreements = run.tier_agreements || [];
  if (agreements.length) {
    const all = agreements.every((one) => one.holds);
    section("tiers", "How far the tiers agree", all ? "within the bounds that the last column states" : "not within their bounds",
      agreements.map((one) => [one.variant && h("h3", {}, one.variant), table(one.columns, (one.rows || []).map((row) => h("tr", { class: "row" },
        row.cells.map((text, i) => i === 0 || i + 1 === row.cells.length ? h("td", { class: "text" }, text)
          : h("td", { class: "cell" }, (row.tones || [])[i - 1] === "bad" ? chip("fail", text) : text))))),
      h("ul", { class: "notes" }, (one.notes || []).map((note) => h("li", {}, note)))]));
  }

  // ---- figures -----------------------------------------------------------------------------------------------------

  const measureNames = [...new Set(results.flatMap((one) => (one.measures || []).map((measure) => measure.name)))];
  const cell = (one, name) => {
    const measure = measureOf(one, name);
    const width = measure && measure.confidence_half_width !== undefined && ` ± ${withUnit(number(measure.confidence_half_width), measure.unit)}`;
    return h("td", { class: "cell" }, measure ? withUnit(number(measure.value), measure.unit) : "–", width);
  };
  if (results.length <= 4) {
    section("figures", "Figures", undefined, table(["figure", ...results.map(nameOf)],
      measureNames.map((name) => h("tr", { class: "row" }, h("td", { class: "text" }, words(name)),
        results.map((one) => cell(one, name))))));
  } else {
    const shown = measureNames.filter((name) => new Set(results.map((one) => number((measureOf(one, name) || {}).value))).size > 1);
    section("figures", "Figures", `${plural(results.length, "variant")}; what is the same in all is left out`,
      table(["variant", ...shown.map(words)], results.map((one) => h("tr", { class: "row" },
        h("td", { class: "text" }, nameOf(one)), shown.map((name) => cell(one, name))))));
  }

  // ---- curves ------------------------------------------------------------------------------------------------------

  const width = 860, height = 190, left = 62;
  const chart = (name) => {
    const lines = results.map((one, i) => [i, (one.curves || []).find((curve) => curve.name === name)]).filter(([, curve]) => curve);
    const unit = lines[0][1].unit;
    const last = Math.max(...lines.map(([, curve]) => Math.max(...curve.at_s, 1e-9)));
    const top = Math.max(...lines.map(([, curve]) => Math.max(...(curve.values || [0]))), 1e-9);
    const x = (at) => left + ((width - left) * at) / last;
    const y = (value) => height - (height * value) / top;
    const label = (px, py, anchor, text) => s("text", { x: px, y: py, "text-anchor": anchor, fill: "var(--muted)", "font-size": 11 }, text);
    return h("div", { class: "tile curve" }, h("h3", {}, words(name), unit && unit !== "1" ? `, ${unit === "us" ? "time" : unit}` : ""),
      s("svg", { viewBox: `0 -8 ${width + 8} ${height + 30}`, width: "100%", role: "img", "aria-label": words(name) },
        [0, 0.5, 1].map((part) => [
          s("line", { x1: left, x2: width, y1: y(top * part), y2: y(top * part), stroke: "var(--line)" }),
          label(left - 6, y(top * part) + 4, "end", withUnit(top * part, unit))]),
        [0, 0.25, 0.5, 0.75, 1].map((part) => label(x(last * part), height + 17, part === 0 ? "start" : part === 1 ? "end" : "middle", duration(last * part * 1e6))),
        lines.map(([i, curve]) => s("polyline", { fill: "none", stroke: toneOf(i), "stroke-width": 1.6,
          points: curve.at_s.map((at, k) => `${x(at).toFixed(1)},${y(number((curve.values || [])[k])).toFixed(1)}`).join(" ") },
        s("title", {}, nameOf(results[i]))))),
      results.length > 1 && h("div", { class: "legend" }, lines.map(([i]) => h("span", {},
        s("svg", { width: 12, height: 10 }, s("rect", { width: 10, height: 10, fill: toneOf(i) })), ` ${nameOf(results[i])}`))));
  };
  const curveNames = [...new Set(results.flatMap((one) => (one.curves || []).map((curve) => curve.name)))];
  if (curveNames.length) section("curves", "Curves", "over virtual time", curveNames.map(chart));

  // ---- devices -----------------------------------------------------------------------------------------------------

  section("devices", "Classes of devices", undefined, results.slice(0, 12).map((one) => {
    const tallies = one.devices || [];
    const names = [...new Set(tallies.flatMap((tally) => (tally.counts || []).map((count) => count.name)))];
    return [results.length > 1 && h("h3", {}, nameOf(one)), table(["class", "devices", ...names.map(words)], tallies.map((tally) =>
      h("tr", { class: "row" }, h("td", { class: "id" }, tally.name), h("td", { class: "cell" }, short(number(tally.devices))),
        names.map((name) => {
          const count = (tally.counts || []).find((each) => each.name === name);
          return h("td", { class: "cell" }, count ? short(number(count.value)) : "–");
        }))))];
  }));
  if ((run.published || []).length) {
    section("published", "Published by others", "on other hardware: no comparison of speeds", table(["what", "figure", "source"],
      run.published.map((one) => h("tr", { class: "row" }, h("td", { class: "text" }, one.what), h("td", { class: "cell" }, one.value),
        h("td", { class: "text" }, one.source)))));
  }

  main.append(h("footer", { class: "foot" }, `Written by touchstone${run.tool_version ? ` ${run.tool_version}` : ""}. This file needs no network; run.json beside it has every number.`));
  page.append(
    h("header", { class: "head" }, h("div", { class: "wrap" }, emblem(), h("div", { class: "grow" }, h("h1", {}, run.name || "fleet"),
      h("div", { class: "muted" }, `simulated fleet, tier ${tiers.join(", ")}, ${plural(results.length, "run")}`)), chip(verdictOf(run)))),
    h("nav", { class: "nav", "aria-label": "Sections" }, h("div", { class: "wrap" },
      sections.map(([id, title]) => h("a", { href: `#${id}` }, title)))),
    main);
})();
