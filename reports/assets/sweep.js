// Draws a sweep from the JSON in #data, with page.js: `run` (touchstone.results.Run) and `kept` (position → its page).
(async () => {
  const data = await readData();
  if (!data) return;
  const { run, kept } = data;
  const sweep = run.sweep;
  const page = document.getElementById("page");

  const verdictOf = (one) => one.verdict || "unspecified";
  const isExpected = (one) => verdictOf(one) === (one.expected_verdict || "pass");
  const timeOf = (one) => (one.time_to_fail_us === undefined ? Infinity : number(one.time_to_fail_us));
  const brokenOf = (one) => (one.invariants || []).map((verdict) => verdict.invariant);
  // As failures_by_time() in sweep.cpp.
  const rank = (one) => (verdictOf(one) === "crash" ? 0 : timeOf(one) < Infinity ? 1 : 2);
  const soonest = (a, b) => rank(a) - rank(b) || (timeOf(a) < timeOf(b) ? -1 : timeOf(a) > timeOf(b) ? 1 : 0) ||
    number(a.position) - number(b.position);
  const runs = run.scenarios || [];
  const failures = runs.filter((one) => !isExpected(one)).sort(soonest);
  const areSeveral = sweep.scenarios.length > 1;
  const chip = (verdict, text) => h("span", { class: `chip ${verdict}` }, text || verdict.replace("_", "-"));
  const bar = (part, whole, tone) =>
    h("div", { class: `bar ${tone}`, role: "img", "aria-label": `${part} of ${whole}` }, part > 0 &&
      s("svg", { width: "100%", height: 9, preserveAspectRatio: "none", viewBox: "0 0 100 9" },
        s("rect", { width: Math.max(1, (100 * part) / whole), height: 9, fill: `var(--${tone})` })));
  const nameOf = (one) => (areSeveral ? `${one.scenario} seed ${one.seed}` : `seed ${one.seed}`);
  const timeText = (one) => (timeOf(one) < Infinity ? instant(timeOf(one)) : "");

  const main = h("main", { class: "wrap" });
  const sections = [];
  const section = (id, title, of, ...content) => {
    sections.push([id, title, of]);
    main.append(h("section", { id }, h("h2", {}, title, of !== undefined && h("span", { class: "of" }, String(of))), content));
  };

  // ---- overview and the failures that were kept --------------------------------------------------------------------

  const virtualUs = runs.reduce((sum, one) => sum + number(one.virtual_duration_us), 0);
  section("overview", "Overview", undefined, h("div", { class: "tile" },
    h("div", { class: "figure" }, h("strong", {}, String(failures.length)),
      `of ${plural(runs.length, "run")} did not end as declared`),
    bar(runs.length - failures.length, Math.max(1, runs.length), "pass"),
    h("dl", { class: "facts" }, [
      ["scenarios", sweep.scenarios.map((one) => `${one.scenario}: ${one.description}`).join("\n")],
      ["planned", plural(number(sweep.planned_runs), "run")],
      ["virtual time", duration(virtualUs)],
      ["soonest", failures.length ? `${nameOf(failures[0])} ${timeText(failures[0])}` : "nothing failed"],
      ["digest", h("code", {}, run.digest)],
    ].map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    (run.notes || []).length > 0 && h("ul", { class: "notes" }, run.notes.map((note) => h("li", {}, note))),
    command(run.reproduce)));

  const failureCard = (one) => h("div", { class: "tile" },
    h("header", {}, h("div", {}, h("div", { class: "name" },
      kept[number(one.position)] ? h("a", { href: kept[number(one.position)] }, nameOf(one)) : nameOf(one)),
    h("div", { class: "where" }, timeText(one), " ", brokenOf(one).join(" "))), chip(verdictOf(one))),
    h("p", {}, one.reason), command(one.reproduce));
  if (failures.length) {
    const shown = failures.filter((one) => kept[number(one.position)] || verdictOf(one) === "crash").slice(0, 10);
    section("failures", "Soonest failures", `${shown.length} of ${failures.length}`,
      h("div", { class: "tiles" }, shown.map(failureCard)));
  }

  // ---- time to fail ------------------------------------------------------------------------------------------------

  const histogram = (times) => {
    const width = 800, height = 160, bins = 40;
    const longest = Math.max(...times, 1);
    const counts = new Array(bins).fill(0);
    for (const time of times) counts[Math.min(bins - 1, Math.floor((bins * time) / longest))] += 1;
    const highest = Math.max(...counts);
    const wide = width / bins;
    const columns = counts.map((count, i) => {
      const high = (count / highest) * height;
      return s("rect", { x: i * wide + 1, y: height - high, width: wide - 2, height: high, fill: "var(--fail)" },
        s("title", {}, `${instant((i * longest) / bins)} to ${instant(((i + 1) * longest) / bins)}: ${plural(count, "run")}`));
    });
    const text = (x, anchor, words) => s("text", { x, y: height + 18, "text-anchor": anchor, fill: "var(--muted)", "font-size": 12 }, words);
    return s("svg", { viewBox: `0 0 ${width} ${height + 24}`, width: "100%", role: "img", "aria-label": "Distribution of the time to fail" },
      columns, text(0, "start", "0 s"), text(width / 2, "middle", `virtual time of the first violation; at most ${plural(highest, "run")} a column`),
      text(width, "end", instant(longest)));
  };
  const times = failures.map(timeOf).filter((time) => time < Infinity);
  if (times.length) {
    const median = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];
    section("time", "Time to fail", `median ${instant(median)}`, h("div", { class: "tile" }, histogram(times)));
  }

  // ---- tables: invariants, conditions ------------------------------------------------------------------------------

  const table = (heads, rows) => h("div", { class: "sheet" }, h("table", { class: "matrix" },
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", {}, head)))), h("tbody", {}, rows)));
  const only = { invariant: "", words: "", failed: failures.length > 0 };
  const perScenario = (rowsOf) => sweep.scenarios.map((tally) => {
    const rows = rowsOf(tally);
    if (!rows.length) return null;
    return [areSeveral && h("tr", { class: "group" }, h("th", { colspan: 4 }, tally.scenario)), rows];
  });

  section("invariants", "Invariants", undefined, table(["invariant", "promise", "broken in", ""], perScenario((tally) =>
    [...(tally.invariants || [])].sort((a, b) => number(b.failed) - number(a.failed)).map((one) => h("tr", { class: "row" },
      h("td", { class: "id" }, number(one.failed) > 0
        ? h("button", { type: "button", class: "chip fail", onclick: () => showOnly(one.invariant) }, one.invariant)
        : chip("pass", one.invariant)),
      h("td", { class: "text" }, one.title),
      h("td", { class: "cell" }, `${number(one.failed)} of ${number(one.runs)}`),
      h("td", {}, bar(number(one.failed), Math.max(1, number(one.runs)), "fail")))))));
  if (sweep.scenarios.some((tally) => (tally.sometimes || []).length)) {
    section("sometimes", "What happened now and then", undefined, table(["condition", "what it is", "happened in", ""],
      perScenario((tally) => (tally.sometimes || []).map((one) => h("tr", { class: "row" },
        h("td", { class: "id" }, h("code", {}, one.name)),
        h("td", { class: "text" }, one.story),
        h("td", { class: "cell" }, number(one.runs) > 0 ? `${number(one.runs)} of ${number(tally.runs)}` : chip("inconclusive", "never")),
        h("td", {}, bar(number(one.runs), Math.max(1, number(tally.runs)), "info")))))));
  }

  // ---- all runs ----------------------------------------------------------------------------------------------------

  const columns = [
    areSeveral && ["scenario", (one) => one.scenario, (a, b) => (a.scenario < b.scenario ? -1 : a.scenario > b.scenario ? 1 : 0)],
    ["seed", (one) => (kept[number(one.position)] ? h("a", { href: kept[number(one.position)] }, String(one.seed || 0)) : String(one.seed || 0)),
      (a, b) => number(a.position) - number(b.position)],
    ["verdict", (one) => chip(verdictOf(one)), (a, b) => (verdictOf(a) < verdictOf(b) ? -1 : verdictOf(a) > verdictOf(b) ? 1 : 0)],
    ["time to fail", timeText, soonest],
    ["invariants", (one) => brokenOf(one).join(" "), (a, b) => {
      const [left, right] = [brokenOf(a).join(" "), brokenOf(b).join(" ")];
      return !left - !right || (left < right ? -1 : left > right ? 1 : 0);
    }],
    ["events", (one) => String(number(one.events)), (a, b) => number(a.events) - number(b.events)],
  ].filter(Boolean);
  const order = { by: columns.findIndex(([name]) => name === (failures.length ? "time to fail" : "seed")), sign: 1 };
  const body = h("tbody", {});
  const count = h("span", { class: "shown" });
  const rowsPerPage = 200;
  let shownRows = rowsPerPage;
  const row = (one) => {
    const cells = h("tr", { class: "row" }, columns.map(([, value]) => h("td", {}, value(one))),
      h("td", { class: "cell" }, one.reproduce && h("button", { type: "button", onclick: (event) => {
        const next = cells.nextSibling;
        if (next && next.className === "more") return next.remove();
        cells.after(h("tr", { class: "more" }, h("td", { colspan: columns.length + 1 }, h("p", {}, one.reason), command(one.reproduce))));
        event.stopPropagation();
      } }, "again")));
    return cells;
  };
  const more = h("button", { type: "button", onclick: () => { shownRows += 10 * rowsPerPage; draw(); } });
  const draw = () => {
    const chosen = (only.failed ? failures : runs).filter((one) =>
      (!only.invariant || brokenOf(one).includes(only.invariant)) &&
      (!only.words || `${one.scenario} ${one.seed} ${one.reason || ""}`.includes(only.words)));
    const sorted = [...chosen].sort((a, b) => order.sign * columns[order.by][2](a, b) || number(a.position) - number(b.position));
    body.replaceChildren(...sorted.slice(0, shownRows).map(row));
    count.textContent = `${Math.min(shownRows, sorted.length)} of ${plural(sorted.length, "run")} shown`;
    more.hidden = sorted.length <= shownRows;
    more.textContent = `show ${Math.min(10 * rowsPerPage, sorted.length - shownRows)} more`;
    heads.forEach((head, i) => head.setAttribute("aria-sort", i !== order.by ? "none" : order.sign > 0 ? "ascending" : "descending"));
    failed.setAttribute("aria-pressed", String(only.failed));
    invariant.hidden = !only.invariant;
    invariant.textContent = `${only.invariant} ✕`;
  };
  const heads = columns.map(([name], i) => h("th", {}, h("button", { type: "button", onclick: () => {
    if (order.by === i) order.sign = -order.sign;
    else Object.assign(order, { by: i, sign: 1 });
    draw();
  } }, name)));
  const failed = h("button", { type: "button", onclick: () => { only.failed = !only.failed; draw(); } }, "only what failed");
  const invariant = h("button", { type: "button", class: "chip fail", onclick: () => { only.invariant = ""; draw(); } });
  const showOnly = (id) => {
    Object.assign(only, { invariant: id, failed: true });
    draw();
    document.getElementById("runs").scrollIntoView();
  };
  section("runs", "Runs", runs.length,
    h("div", { class: "filters" }, h("input", { type: "search", placeholder: "seed, or words of the reason", "aria-label": "Search",
      oninput: (event) => { only.words = event.target.value; draw(); } }), failed, invariant, count),
    h("div", { class: "sheet" }, h("table", { class: "matrix" }, h("thead", {}, h("tr", {}, heads, h("th", {}))), body)), more);
  draw();

  main.append(h("footer", { class: "foot" }, `Written by touchstone${run.tool_version ? ` ${run.tool_version}` : ""}. This file needs no network; the links lead to reports beside it.`));
  page.append(
    h("header", { class: "head" }, h("div", { class: "wrap" }, emblem(), h("div", { class: "grow" }, h("h1", {}, run.name || "sweep"),
      h("div", { class: "muted" }, `${plural(runs.length, "run")}, ${plural(failures.length, "failure")}`)), chip(verdictOf(run)))),
    h("nav", { class: "nav", "aria-label": "Sections" }, h("div", { class: "wrap" },
      sections.map(([id, title]) => h("a", { href: `#${id}` }, title)))),
    main);
})();
