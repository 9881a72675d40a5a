// Draws a run under real load from the JSON in #data, with page.js: `run` (touchstone.results.Run with its `load_report`).
(async () => {
  const data = await readData();
  if (!data) return;
  const { run } = data;
  const load = run.load_report || {};
  const results = run.scenarios || [];
  const page = document.getElementById("page");
  const tones = ["--accent", "--fail", "--gold", "--info", "--inconclusive", "--pass", "--flaky", "--crash"];
  const toneOf = (i) => `var(${tones[i % tones.length]})`;
  const nameOf = (one) => one.variant || run.name || "run";
  const verdictOf = (one) => one.verdict || "unspecified";
  const chip = (verdict, text) => h("span", { class: `chip ${verdict}` }, text || verdict.replace("_", "-"));
  const short = (value) => {
    const size = Math.abs(value);
    if (size >= 1e9) return `${+(value / 1e9).toPrecision(3)} G`;
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
    return String(+value.toPrecision(4));
  };
  const bytes = (value) => value >= 1e9 ? `${+(value / 1e9).toPrecision(3)} GB` : value >= 1e6 ? `${+(value / 1e6).toPrecision(3)} MB`
    : value >= 1e3 ? `${+(value / 1e3).toPrecision(3)} kB` : `${+value.toPrecision(3)} B`;
  const withUnit = (value, unit) => {
    if (unit === "us") return duration(+value.toPrecision(3));
    if (unit === "bytes") return bytes(value);
    if (unit === "percent") return `${+value.toPrecision(3)} %`;
    if (unit === "1/s") return `${short(value)}/s`;
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

  // ---- charts ------------------------------------------------------------------------------------------------------

  const width = 860, height = 220, left = 72;
  // Lines are [name, [[x, y]…]]; x and y are mapped to 0..1 by the axes, whose marks are [position, text].
  const chart = (title, lines, xAxis, yAxis, dots) => {
    const px = (x) => left + (width - left) * xAxis.at(x);
    const py = (y) => height - height * yAxis.at(y);
    const label = (x, y, anchor, text) => s("text", { x, y, "text-anchor": anchor, fill: "var(--muted)", "font-size": 11 }, text);
    return h("div", { class: "tile curve" }, h("h3", {}, title),
      s("svg", { viewBox: `0 -8 ${width + 14} ${height + 32}`, width: "100%", role: "img", "aria-label": title },
        yAxis.marks.map(([y, text]) => [
          s("line", { x1: left, x2: width, y1: py(y), y2: py(y), stroke: "var(--line)" }), label(left - 6, py(y) + 4, "end", text)]),
        xAxis.marks.map(([x, text]) => label(px(x), height + 18, px(x) > width - 30 ? "end" : "middle", text)),
        lines.map(([name, points], i) => s("polyline", { fill: "none", stroke: toneOf(i), "stroke-width": 1.6,
          points: points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ") }, s("title", {}, name))),
        (dots || []).map(([x, y, tone, text]) => s("circle", { cx: px(x), cy: py(y), r: 4, fill: `var(${tone})` }, s("title", {}, text)))),
      lines.length > 1 && h("div", { class: "legend" }, lines.map(([name], i) => h("span", {},
        s("svg", { width: 12, height: 10 }, s("rect", { width: 10, height: 10, fill: toneOf(i) })), ` ${name}`))));
  };
  const linear = (top, text) => ({ at: (value) => value / (top || 1), marks: [0, 0.25, 0.5, 0.75, 1].map((part) => [part * top, text(part * top)]) });
  const logarithmic = (bottom, top, text) => {
    const low = Math.log10(Math.max(bottom, 1e-9)), high = Math.max(Math.log10(Math.max(top, 1e-9)), low + 0.3);
    const marks = [];
    for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; ++power) marks.push([10 ** power, text(10 ** power)]);
    return { at: (value) => (Math.log10(Math.max(value, 1e-9)) - low) / (high - low), marks };
  };

  // ---- overview ----------------------------------------------------------------------------------------------------

  const measureOf = (one, name) => (one.measures || []).find((measure) => measure.name === name);
  section("overview", "Overview", (results[0] || {}).description,
    (load.words || []).map((line) => h("p", {}, line)),
    h("div", { class: "tiles" }, results.slice(0, 12).map((one) => {
      const main = measureOf(one, "received_per_s") || measureOf(one, "connected") || measureOf(one, "connected_max");
      const p99 = measureOf(one, "delivery_p99") || measureOf(one, "connect_p99");
      return h("div", { class: "tile" },
        h("header", {}, h("div", {}, h("div", { class: "kind" }, one.fidelity ? `tier ${one.fidelity}` : "real sockets"),
          h("div", { class: "name" }, nameOf(one))), chip(verdictOf(one))),
        main && h("div", { class: "figure" }, h("strong", {}, withUnit(number(main.value), main.unit)), words(main.name)),
        h("dl", { class: "facts" }, [
          p99 && [words(p99.name), withUnit(number(p99.value), p99.unit)],
          measureOf(one, "lost") && ["lost", short(number(measureOf(one, "lost").value))],
          ["seed", String(one.seed || 0)],
          !one.fidelity && load.limiter && ["limited by", load.limiter],
        ].filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
        one.reason && h("p", {}, one.reason), command(one.reproduce));
    })),
    (run.notes || []).length > 0 && h("ul", { class: "notes" }, run.notes.map((note) => h("li", {}, note))));

  // ---- the search --------------------------------------------------------------------------------------------------

  const steps = load.steps || [];
  if (steps.length) {
    const timed = steps.filter((one) => one.p99_us !== undefined);
    const toneOfStep = (one) => !one.is_valid ? "--muted" : one.holds ? "--pass" : "--fail";
    const rateTop = Math.max(...steps.map((one) => number(one.offered_per_s)), 1);
    const charts = timed.length > 0 && chart("p99 of the delivery by offered rate", [], linear(rateTop, (value) => `${short(value)}/s`),
      logarithmic(Math.min(...timed.map((one) => number(one.p99_us))) / 1.5, Math.max(...timed.map((one) => number(one.p99_us))) * 1.5, (us) => withUnit(us, "us")),
      timed.map((one) => [number(one.offered_per_s), number(one.p99_us), toneOfStep(one), `${short(number(one.offered_per_s))}/s: ${one.why_not || "holds"}`]));
    section("search", "Highest rate", load.limit_per_s === undefined ? "none held" : `${short(number(load.limit_per_s))} messages/s`, charts,
      table(["offered", "attempt", "sent", "received", "p50", "p99", "lost", "verdict"], steps.map((one) => h("tr", { class: "row" },
        [`${short(number(one.offered_per_s))}/s`, one.attempt || 1, `${short(number(one.sent_per_s))}/s`, `${short(number(one.received_per_s))}/s`,
          one.p50_us === undefined ? "–" : withUnit(number(one.p50_us), "us"), one.p99_us === undefined ? "–" : withUnit(number(one.p99_us), "us"),
          short(number(one.lost)),
        ].map((text) => h("td", { class: "cell" }, String(text))), h("td", { class: "text" }, one.holds ? "holds" : one.why_not)))));
  }

  // ---- quantiles ---------------------------------------------------------------------------------------------------

  const curves = (load.quantiles || []).filter((one) => (one.quantiles || []).length > 1);
  if (curves.length) {
    const beyond = (quantile) => Math.log10(1 / Math.max(1 - quantile, 1e-9));
    const last = Math.max(...curves.map((one) => beyond(Math.max(...one.quantiles.filter((q) => q < 1)))), 1);
    const values = curves.flatMap((one) => one.values_us.map(number)).filter((value) => value > 0);
    const xAxis = { at: (quantile) => Math.min(beyond(quantile), last) / last,
      marks: [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999].filter((q) => beyond(q) <= last + 1e-9).map((q) => [q, `${+(q * 100).toFixed(5)} %`]) };
    section("quantiles", "How long it took", "quantiles that the sample supports",
      chart("time by quantile", curves.map((one) => [words(one.name), one.quantiles.map((q, i) => [q, number(one.values_us[i])])]),
        xAxis, logarithmic(Math.min(...values), Math.max(...values), (us) => withUnit(us, "us"))),
      table(["what", "samples", "mean", "largest"], curves.map((one) => h("tr", { class: "row" }, h("td", { class: "text" }, words(one.name)),
        [short(number(one.samples)), withUnit(number(one.mean_us), "us"), withUnit(number(one.max_us), "us")].map((text) => h("td", { class: "cell" }, text))))));
  }

  // ---- curves over time --------------------------------------------------------------------------------------------

  const curveNames = [...new Set(results.flatMap((one) => (one.curves || []).map((curve) => curve.name)))];
  if (curveNames.length) {
    section("curves", "Over time", undefined, curveNames.map((name) => {
      const found = results.map((one) => [nameOf(one), (one.curves || []).find((curve) => curve.name === name)]).filter(([, curve]) => curve);
      const unit = found[0][1].unit;
      const last = Math.max(...found.map(([, curve]) => Math.max(...curve.at_s, 1e-9)));
      const top = Math.max(...found.map(([, curve]) => Math.max(...(curve.values || [0]).map(number))), 1e-9);
      return chart(words(name), found.map(([label, curve]) => [label, curve.at_s.map((at, i) => [at, number((curve.values || [])[i])])]),
        linear(last, (at) => duration(at * 1e6)), linear(top, (value) => withUnit(value, unit)));
    }));
  }

  // ---- figures -----------------------------------------------------------------------------------------------------

  const measureNames = [...new Set(results.flatMap((one) => (one.measures || []).map((measure) => measure.name)))];
  section("figures", "Figures", undefined, table(["figure", ...results.map(nameOf)],
    measureNames.map((name) => h("tr", { class: "row" }, h("td", { class: "text" }, words(name)), results.map((one) => {
      const measure = measureOf(one, name);
      return h("td", { class: "cell" }, measure ? withUnit(number(measure.value), measure.unit) : "–");
    })))));

  // ---- groups ------------------------------------------------------------------------------------------------------

  section("groups", "Groups of clients", undefined, results.slice(0, 12).map((one) => {
    const tallies = one.devices || [];
    const names = [...new Set(tallies.flatMap((tally) => (tally.counts || []).map((count) => count.name)))];
    return [results.length > 1 && h("h3", {}, nameOf(one)), table(["group", "clients", ...names.map(words)], tallies.map((tally) =>
      h("tr", { class: "row" }, h("td", { class: "id" }, tally.name), h("td", { class: "cell" }, short(number(tally.devices))),
        names.map((name) => {
          const count = (tally.counts || []).find((each) => each.name === name);
          return h("td", { class: "cell" }, count ? short(number(count.value)) : "–");
        }))))];
  }));
  if ((load.settings || []).length) {
    section("settings", "What was run", undefined, h("ul", { class: "notes" }, load.settings.map((line) => h("li", {}, line))), command(run.reproduce));
  }
  main.append(h("footer", { class: "foot" }, `Written by touchstone${run.tool_version ? ` ${run.tool_version}` : ""}. This file needs no network; run.json beside it has every number${load.interval_log ? `, ${load.interval_log} every histogram (HdrHistogram log, V2)` : ""}.`));
  page.append(
    h("header", { class: "head" }, h("div", { class: "wrap" }, emblem(), h("div", { class: "grow" }, h("h1", {}, run.name || "load"),
      h("div", { class: "muted" }, `real load on ${(run.target || {}).url || "?"}`)), chip(verdictOf(run)))),
    h("nav", { class: "nav", "aria-label": "Sections" }, h("div", { class: "wrap" },
      sections.map(([id, title]) => h("a", { href: `#${id}` }, title)))),
    main);
})();
