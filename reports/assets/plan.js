// Draws what the planner says from the JSON in #data, with page.js: `run` (touchstone.results.Run with its `plan_report`).
(async () => {
  const data = await readData();
  if (!data) return;
  const { run } = data;
  const report = run.plan_report || {};
  const page = document.getElementById("page");
  const tones = ["--accent", "--info", "--gold", "--inconclusive", "--fail", "--pass", "--flaky", "--crash"];
  const toneOf = (i) => `var(${tones[i % tones.length]})`;
  const toneNamed = { good: "var(--pass)", bad: "var(--fail)", doubtful: "var(--flaky)" };
  const verdictOf = (one) => one.verdict || "unspecified";
  const chip = (verdict, text) => h("span", { class: `chip ${verdict}` }, text || verdict.replace("_", "-"));
  const short = (value) => {
    const size = Math.abs(value);
    if (size >= 1e9) return `${+(value / 1e9).toPrecision(3)} G`;
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
    return String(+value.toPrecision(3));
  };
  const withUnit = (value, unit) => {
    if (unit === "s") return duration(+(value * 1e6).toPrecision(3));
    if (unit === "bytes") return value >= 1e9 ? `${+(value / 1e9).toPrecision(3)} GB` : value >= 1e6 ? `${+(value / 1e6).toPrecision(3)} MB` : `${+(value / 1e3).toPrecision(3)} kB`;
    if (unit === "percent") return `${+value.toPrecision(3)} %`;
    return unit ? `${short(value)} ${unit}` : short(value);
  };
  const main = h("main", { class: "wrap" });
  const sections = [];
  const section = (title, ...content) => {
    const id = `section-${sections.length}`;
    sections.push([id, title]);
    main.append(h("section", { id }, h("h2", {}, title), content));
  };

  // ---- charts ------------------------------------------------------------------------------------------------------

  const width = 860, height = 250, left = 76, top = 34;
  // Round values between the two, about four of them.
  const ticks = (low, high) => {
    const raw = (high - low) / 4 || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
    const all = [];
    for (let at = Math.ceil(low / step) * step; at <= high * (1 + 1e-9); at += step) all.push(at);
    return all;
  };
  const finite = (values) => values.filter((value) => Number.isFinite(value));
  const chart = (one) => {
    const series = one.series || [];
    const markers = one.markers || [];
    const xs = finite([...series.flatMap((each) => each.x || []), ...markers.map((marker) => number(marker.x))]);
    const ys = finite(series.flatMap((each) => [...(each.y || []), ...(each.low || [])]));
    if (one.y_limit !== undefined) ys.push(one.y_limit);
    const xHigh = Math.max(...xs, 1e-9);
    const yTop = Math.max(...ys, 1e-12) * (one.y_is_log ? 1.6 : 1.05);
    const yLow = one.y_is_log ? Math.max(Math.min(...ys.filter((y) => y > 0)) / 1.4, 1e-9) : Math.min(0, ...ys);
    const px = (x) => left + ((width - left) * Math.min(x, xHigh)) / xHigh;
    const share = (y) => one.y_is_log ? Math.log(Math.max(y, yLow) / yLow) / Math.log(yTop / yLow) : (y - yLow) / (yTop - yLow);
    // An interval without an upper end leaves the picture.
    const py = (y) => top + height - height * Math.min(share(Number.isFinite(y) ? y : yTop), 1);
    const yTicks = one.y_is_log
      ? [1, 2, 5].flatMap((factor) => Array.from({ length: 14 }, (_, i) => factor * 10 ** (i - 9))).filter((y) => y >= yLow && y <= yTop).sort((a, b) => a - b)
      : ticks(yLow, yTop);
    const shownTicks = yTicks.length > 7 ? yTicks.filter((y) => Math.abs(Math.log10(y) % 1) < 1e-6) : yTicks;
    const label = (x, y, anchor, text, fill) => s("text", { x, y, "text-anchor": anchor, fill: fill || "var(--muted)", "font-size": 11 }, text);
    const points = (each, values) => (each.x || []).map((x, i) => `${px(x).toFixed(1)},${py(values[i]).toFixed(1)}`);
    const band = (each, i) => each.low && each.high && each.low.length > 0 && s("polygon", { fill: toneOf(i), opacity: 0.16,
      points: [...points(each, each.low), ...points(each, each.high).reverse()].join(" ") });
    const drawn = (each, i) => each.is_points
      ? (each.x || []).map((x, k) => s("circle", { cx: px(x), cy: py(each.y[k]), r: 3.5, fill: toneOf(i) }, s("title", {}, `${each.name}: ${withUnit(each.y[k], one.y_unit)}`)))
      : s("polyline", { fill: "none", stroke: toneOf(i), "stroke-width": 1.8, points: points(each, each.y || []).join(" ") }, s("title", {}, each.name));
    return h("div", { class: "tile curve" }, h("h3", {}, one.title),
      s("svg", { viewBox: `0 -8 ${width + 14} ${height + top + 46}`, width: "100%", role: "img", "aria-label": one.title },
        shownTicks.map((y) => [
          s("line", { x1: left, x2: width, y1: py(y), y2: py(y), stroke: "var(--line)" }),
          label(left - 6, py(y) + 4, "end", withUnit(y, one.y_unit))]),
        ticks(0, xHigh).map((x) => label(px(x), top + height + 17, "middle", short(x))),
        label((left + width) / 2, top + height + 34, "middle", one.x_name || ""),
        markers.map((marker, i) => {
          const x = number(marker.x), tone = toneNamed[marker.tone] || "var(--muted)";
          const hasBand = marker.low !== undefined && marker.high !== undefined;
          const anchor = px(x) > width - 130 ? "end" : px(x) < left + 60 ? "start" : "middle";
          return [
            hasBand && s("rect", { x: px(marker.low), width: Math.max(1, px(marker.high) - px(marker.low)), y: top, height, fill: tone, opacity: 0.12 }),
            s("line", { x1: px(x), x2: px(x), y1: top - 4 - (i % 2) * 14, y2: top + height, stroke: tone, "stroke-dasharray": "5 4", "stroke-width": 1.4 }),
            label(px(x), top - 8 - (i % 2) * 14, anchor, marker.name, tone)];
        }),
        one.y_limit !== undefined && [
          s("line", { x1: left, x2: width, y1: py(one.y_limit), y2: py(one.y_limit), stroke: "var(--fail)", "stroke-dasharray": "2 4" }),
          label(left + 6, py(one.y_limit) - 5, "start", one.y_limit_name || "limit", "var(--fail)")],
        series.map(band), series.map(drawn)),
      h("div", { class: "legend" }, series.map((each, i) => h("span", {},
        s("svg", { width: 12, height: 10 }, s("rect", { width: 10, height: 10, fill: toneOf(i) })),
        ` ${each.name}${each.is_points ? ", measured" : (each.low || []).length ? " with its 95 % band" : ""}`))),
      one.note && h("p", { class: "small muted" }, one.note));
  };

  const bars = (one) => {
    const all = one.bars || [];
    const most = Math.max(...all.map((bar) => Math.abs(number(bar.value))), 1e-12);
    const hasNegative = all.some((bar) => number(bar.value) < 0);
    const names = 270, room = width - names - 150, zero = hasNegative ? names + room / 2 : names;
    // Beside a bar to the left its words need room as well.
    const length = (value) => (Math.abs(value) / most) * (hasNegative ? room / 2 - 70 : room);
    const line = 26;
    return h("div", { class: "tile curve" }, h("h3", {}, one.title),
      s("svg", { viewBox: `0 0 ${width} ${line * all.length + 6}`, width: "100%", role: "img", "aria-label": one.title },
        all.map((bar, i) => {
          const value = number(bar.value), y = i * line + 4, long = length(value);
          const text = (x, anchor, words, fill) => s("text", { x, y: y + 13, "text-anchor": anchor, "font-size": 12, fill }, words);
          return [
            text(names - 10, "end", bar.name, "var(--ink)"),
            s("rect", { x: value < 0 ? zero - long : zero, y, width: Math.max(1, long), height: line - 9, rx: 3, fill: value < 0 ? "var(--pass)" : "var(--accent)" }),
            text(value < 0 ? zero - long - 6 : zero + long + 6, value < 0 ? "end" : "start", bar.words, "var(--muted)")];
        })),
      one.note && h("p", { class: "small muted" }, one.note));
  };

  const table = (one) => [
    one.title && h("h3", {}, one.title),
    h("div", { class: "sheet scrolls" }, h("table", { class: "matrix" },
      h("thead", {}, h("tr", {}, (one.columns || []).map((head) => h("th", {}, head)))),
      h("tbody", {}, (one.rows || []).map((row) => h("tr", { class: "row" }, (row.cells || []).map((cell, i) =>
        h("td", i === 0 ? { class: "text" } : {}, i === 0 && row.tone
          ? chip({ good: "pass", bad: "fail", doubtful: "flaky" }[row.tone] || "info", cell) : cell))))))),
    one.note && h("p", { class: "small muted" }, one.note)];

  // ---- page --------------------------------------------------------------------------------------------------------

  const [first, ...others] = report.words || [];
  section("Verdict",
    h("div", { class: "tile" },
      h("p", { class: "demand" }, first || ""),
      others.length > 0 && h("ul", {}, others.map((line) => h("li", {}, line))),
      command(run.reproduce)),
    (report.marks || []).length > 0 && h("div", { class: "reason flaky" }, h("strong", {}, "Keep in mind"),
      h("ul", {}, report.marks.map((mark) => h("li", {}, mark)))));
  for (const one of report.sections || []) {
    section(one.title, one.words && h("p", { class: "muted" }, one.words),
      (one.charts || []).map(chart), (one.bars || []).map(bars), (one.tables || []).map(table));
  }
  main.append(h("footer", { class: "foot" }, `Written by touchstone${run.tool_version ? ` ${run.tool_version}` : ""}. This file needs no network; run.json beside it has every number.`));
  page.append(
    h("header", { class: "head" }, h("div", { class: "wrap" }, emblem(), h("div", { class: "grow" },
      h("h1", {}, (run.scenarios || []).length === 1 ? run.scenarios[0].scenario : (run.target || {}).name || run.name || "plan"),
      h("div", { class: "muted" }, `capacity plan: ${report.what || ""}, seed ${run.seed || 0}`)), chip(verdictOf(run)))),
    h("nav", { class: "nav", "aria-label": "Sections" }, h("div", { class: "wrap" },
      sections.map(([id, title]) => h("a", { href: `#${id}` }, title)))),
    main);
})();
