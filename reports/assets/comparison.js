// Draws models of clusters side by side from the JSON in #data, with page.js: `run` (touchstone.results.Run) with a comparison.
(async () => {
  const data = await readData();
  if (!data) return;
  const { run } = data;
  const table = run.comparison || {};
  const models = table.models || [];
  const experiments = table.experiments || [];
  const cells = table.cells || [];
  const page = document.getElementById("page");
  const main = h("main", { class: "wrap" });
  const sections = [];
  const section = (id, title, of, ...content) => {
    sections.push([id, title]);
    main.append(h("section", { id }, h("h2", {}, title, of && h("span", { class: "of" }, of)), content));
  };
  const cellOf = (model, experiment) => cells.find((cell) => cell.model === model && cell.experiment === experiment);
  const verdictOf = (one) => one.verdict || "unspecified";
  const chip = (verdict, text) => h("span", { class: `chip ${verdict}` }, text || verdict.replace("_", "-"));
  // A number stays with its unit.
  const time = (us) => duration(+number(us).toPrecision(3)).replaceAll(" ", "\u00a0");
  const judged = {
    as_expected: ["pass", "as documented"],
    explained: ["info", "differs, explained"],
    unexplained: ["fail", "differs, unexplained"],
    open: ["not_applicable", "left open"],
  };
  const mark = (cell) => chip(...(judged[cell.judgement] || ["unspecified", "not judged"]));
  const seeds = Math.max(0, ...cells.map((cell) => cell.runs || 0));

  // What it cost, one line each; nothing that did not happen.
  const figures = (cell) => [
    number(cell.unavailable_us) > 0 && `unavailable for ${time(cell.unavailable_us)}${cell.unavailable_at_end ? ", to the end" : ""}`,
    number(cell.published) > 0 && `${number(cell.lost)} of ${number(cell.published)} lost`,
    number(cell.duplicated) > 0 && `${number(cell.duplicated)} duplicated`,
    number(cell.reordered) > 0 && `${number(cell.reordered)} out of order`,
    number(cell.sent_away) > 0 && `${plural(number(cell.sent_away), "client")} sent away by the healing`,
    cell.diverged_at_end ? `still different at the end: ${(cell.diverged_in || []).join(", ")}`
      : number(cell.diverged_us) > 0 && `nodes differ for ${time(cell.diverged_us)} more`,
  ].filter(Boolean);

  // ---- overview ----------------------------------------------------------------------------------------------------

  const tally = (judgement) => cells.filter((cell) => cell.judgement === judgement).length;
  section("overview", "What this shows", undefined,
    h("p", {}, "A cluster of brokers is cut in two and mended again, the same way for every model of a published broker. Each cell " +
      "tells what clients saw, what it cost, and whether that is what the broker's source or documentation says. A cell opens its run: " +
      "every packet, every state, every fault."),
    h("div", { class: "tiles" }, [
      ["cells", cells.length, `${plural(models.length, "model")}, ${plural(experiments.length, "experiment")}, ${plural(seeds, "seed")} each`],
      ["as documented", tally("as_expected"), "what was seen is what the documents say"],
      ["explained", tally("explained"), "differs, and it is said why"],
      ["unexplained", tally("unexplained"), "differs, and nobody has said why: the check fails"],
      ["left open", tally("open"), "the documents say nothing definite"],
    ].map(([kind, count, what]) => h("div", { class: "tile" }, h("div", { class: "kind" }, kind),
      h("div", { class: "figure" }, h("strong", {}, String(count))), h("div", { class: "where" }, what)))),
    h("ul", { class: "notes" },
      table.detects && h("li", {}, `Failure detectors of all models take ${table.detects} here, so that the models can be compared; what each takes by itself is in its assumptions.`),
      h("li", {}, "“Nodes differ for” counts from the end of the split: members (C3), tables of sessions (C1) and routes (C2), Retained Messages (R1), connections (S1), nodes that take no clients (C6); looked at every 0.5 s."),
      h("li", {}, "“Unavailable” is the longest time from a client's first attempt without success to its next success. Lost is what was acknowledged and never came."),
      seeds > 1 && h("li", {}, `Figures are the worst of ${plural(seeds, "seed")}; what an operator was told is of the first.`),
      (run.notes || []).map((note) => h("li", {}, note))),
    command(run.reproduce));

  // ---- the table ---------------------------------------------------------------------------------------------------

  const told = (cell) => (cell.told || []).length > 0 && h("details", {}, h("summary", {}, "what an operator was told"),
    h("ul", { class: "notes" }, cell.told.map((line) => h("li", {}, line))));
  const content = (cell) => {
    const words = cell.broken || cell.words || "";
    return [
      h("div", {}, cell.page ? h("a", { href: cell.page }, words) : words),
      figures(cell).map((line) => h("div", { class: "why" }, line)),
      mark(cell), told(cell), !cell.page && command(cell.reproduce)];
  };
  section("table", "Table", "experiments by model",
    h("div", { class: "sheet scrolls" }, h("table", { class: "matrix compared" },
      h("thead", {}, h("tr", {}, h("th", {}, "experiment"), models.map((model) => h("th", { class: "run" }, model.name)))),
      h("tbody", {}, experiments.map((experiment) => h("tr", { class: "row" },
        h("th", { scope: "row" }, h("div", {}, experiment.id), h("div", { class: "why" }, experiment.question)),
        models.map((model) => {
          const cell = cellOf(model.name, experiment.id);
          return h("td", {}, cell ? content(cell) : "–");
        })))))));

  // ---- differences -------------------------------------------------------------------------------------------------

  const differing = cells.filter((cell) => cell.judgement === "explained" || cell.judgement === "unexplained");
  section("differences", "Where it differs from the documents", String(differing.length),
    differing.length === 0 ? h("p", {}, "Nowhere.") : h("div", { class: "sheet scrolls" }, h("table", { class: "matrix compared" },
      h("thead", {}, h("tr", {}, ["cell", "expected", "seen", "why", "explanation"].map((head) => h("th", {}, head)))),
      h("tbody", {}, differing.map((cell) => h("tr", { class: "row" },
        h("td", { class: "id" }, cell.page ? h("a", { href: cell.page }, `${cell.experiment} ${cell.model}`) : `${cell.experiment} ${cell.model}`),
        h("td", {}, cell.expected), h("td", {}, cell.broken || cell.words), h("td", {}, cell.cause || mark(cell)),
        h("td", { class: "text" }, cell.explanation || "nobody has said why")))))));

  // ---- sweep -------------------------------------------------------------------------------------------------------

  const sweep = table.sweep;
  if (sweep && (sweep.curves || []).length > 0) {
    const tones = ["--accent", "--fail", "--gold", "--info", "--inconclusive", "--pass", "--flaky", "--crash"];
    const width = 860, height = 200, left = 74;
    const chart = (measure, title) => {
      const lines = (sweep.curves || []).filter((curve) => curve.name.endsWith(`: ${measure}`));
      const all = lines.flatMap((curve) => curve.at_s || []);
      const low = Math.log(Math.min(...all)), high = Math.log(Math.max(...all));
      const top = Math.max(1, ...lines.flatMap((curve) => curve.values || []));
      const x = (at) => left + (high > low ? (width - left) * (Math.log(at) - low) / (high - low) : 0);
      const y = (value) => height - height * value / top;
      const text = (value) => measure === "unavailable" ? time(value) : String(+value.toPrecision(3));
      const label = (px, py, anchor, words) => s("text", { x: px, y: py, "text-anchor": anchor, fill: "var(--muted)", "font-size": 11 }, words);
      const ticks = lines.length ? lines[0].at_s : [];
      return h("div", { class: "tile curve" }, h("h3", {}, title),
        s("svg", { viewBox: `0 -10 ${width + 30} ${height + 34}`, width: "100%", role: "img", "aria-label": title },
          [0, 0.5, 1].map((part) => [s("line", { x1: left, x2: width, y1: y(top * part), y2: y(top * part), stroke: "var(--line)" }),
            label(left - 6, y(top * part) + 4, "end", text(top * part))]),
          ticks.map((at) => label(x(at), height + 18, "middle", time(at * 1e6))),
          lines.map((curve, i) => s("polyline", { fill: "none", stroke: `var(${tones[i % tones.length]})`, "stroke-width": 1.8,
            "stroke-dasharray": i >= tones.length ? "5 3" : undefined,
            points: curve.at_s.map((at, k) => `${x(at).toFixed(1)},${(y(number((curve.values || [])[k])) - i * 0.7).toFixed(1)}`).join(" ") },
          s("title", {}, curve.name)))),
        h("div", { class: "legend" }, lines.map((curve, i) => h("span", {}, s("svg", { width: 12, height: 10 },
          s("rect", { width: 10, height: 10, fill: `var(${tones[i % tones.length]})` })), ` ${curve.name.split(": ")[0]}`))));
    };
    section("sweep", "What a slower failure detector costs", `${sweep.parameter}, ${(sweep.experiments || []).join(", ")}`,
      chart("unavailable", "Longest unavailability, by what a failure detector takes"),
      chart("lost", "Messages acknowledged and lost, all experiments together"));
  }

  // ---- policies ----------------------------------------------------------------------------------------------------

  const policies = (sweep && sweep.policies) || [];
  if (policies.length > 0) {
    // Bars are as long as their share of the most that any policy of the model costs.
    const bar = (value, most, words, note) => {
      const part = h("i", {});
      part.style.width = `${Math.max(2, 100 * value / most).toFixed(1)}%`;
      part.style.setProperty("--tone", "var(--accent)");
      return h("td", {}, h("div", {}, words), h("div", { class: "bar", "aria-hidden": "true" }, value > 0 && part), note && h("div", { class: "why" }, note));
    };
    const span = (us) => number(us) > 0 ? time(us) : "none";
    const costs = [
      ["unavailable", (one) => number(one.unavailable_us), (one) => span(one.unavailable_us),
        (one) => number(one.unavailable_at_end) > 0 && `in ${plural(number(one.unavailable_at_end), "run")} to the end`],
      ["lost", (one) => number(one.lost), (one) => `${number(one.lost)} of ${number(one.published)}`],
      ["duplicated", (one) => number(one.duplicated), (one) => String(number(one.duplicated))],
      ["sent away", (one) => number(one.sent_away), (one) => plural(number(one.sent_away), "client")],
      ["nodes differ", (one) => number(one.diverged_us), (one) => span(one.diverged_us)],
      ["for good", (one) => number(one.diverged_at_end), (one) => plural(number(one.diverged_at_end), "run"),
        (one) => (one.diverged_in || []).join(", ")],
    ];
    const names = [...new Set(policies.map((one) => one.model))];
    section("policies", "What another policy would cost", (sweep.experiments || []).join(", "),
      h("p", {}, "The same partitions on the same brokers, with another answer to them: who starts again when links return, or what clients may do " +
        "while a member is down. Unavailable and “nodes differ” are the longest of all experiments; the rest are sums. “For good” are runs in which " +
        "members still differed when everything was to be in order again, and in what."),
      names.map((name) => {
        const rows = policies.filter((one) => one.model === name);
        return h("div", {}, h("h3", {}, name), h("div", { class: "sheet scrolls" }, h("table", { class: "matrix compared" },
          h("thead", {}, h("tr", {}, h("th", {}, "policy"), costs.map(([title]) => h("th", {}, title)))),
          h("tbody", {}, rows.map((one) => h("tr", { class: "row" },
            h("th", { scope: "row" }, h("div", {}, one.policy, " ", one.is_own && chip("info", "its own")), h("div", { class: "why" }, one.description)),
            costs.map(([, value, words, note]) =>
              bar(value(one), Math.max(1, ...rows.map(value)), words(one), note && note(one)))))))));
      }));
  }

  // ---- models ------------------------------------------------------------------------------------------------------

  section("models", "The models and what they assume", String(models.length), h("div", { class: "tiles" }, models.map((model) =>
    h("div", { class: "tile" }, h("div", { class: "name" }, model.name), h("p", {}, model.description),
      h("p", { class: "where" }, `By itself it calls a node down after ${model.detects}.`),
      h("ul", { class: "notes" }, (model.assumptions || []).map((text) => h("li", {}, text)))))));

  main.append(h("footer", { class: "foot" }, `Written by touchstone${run.tool_version ? ` ${run.tool_version}` : ""}. Pages of single runs are beside this file, below cells/; run.json has every number.`));
  page.append(
    h("header", { class: "head" }, h("div", { class: "wrap" }, emblem(), h("div", { class: "grow" },
      h("h1", {}, "What clusters do when the network parts them"),
      h("div", { class: "muted" }, `${run.name || "comparison"}: ${plural(models.length, "model")}, ${plural(experiments.length, "experiment")}`)), chip(verdictOf(run)))),
    h("nav", { class: "nav", "aria-label": "Sections" }, h("div", { class: "wrap" },
      sections.map(([id, title]) => h("a", { href: `#${id}` }, title)))),
    main);
})();
