// Draws the report from the JSON in #data (touchstone.results.Report), with page.js.
(async () => {
  const report = await readData();
  if (!report) return;
  const runs = report.runs || [];
  const summaries = report.summaries || [];
  const rows = report.rows || [];

  // ---- words -------------------------------------------------------------------------------------------------------

  const words = {
    pass: ["✓", "pass"], non_strict: ["≈", "non-strict"], info: ["i", "info"], fail: ["✕", "fail"],
    crash: ["⚡", "crash"], flaky: ["~", "flaky"], inconclusive: ["?", "inconclusive"],
    not_applicable: ["–", "not applicable"], unspecified: ["·", "not judged"],
    not_run: ["○", "not run"], reasoned: ["§", "reason given"], uncovered: ["", "no case"],
  };
  const explanations = {
    pass: "the demand was met", non_strict: "conforming, but a SHOULD was not followed or it is unusual",
    info: "an observed choice that the standard leaves open", fail: "a MUST or MUST NOT was broken",
    crash: "the target stopped serving", flaky: "repetitions disagreed", inconclusive: "it could not be judged",
    not_applicable: "the target does not have what the case needs", unspecified: "without a verdict",
    not_run: "the suite has a case, this run did not select it",
    reasoned: "no case, and the catalogue says why", uncovered: "no case and no reason",
  };
  const worstFirst = ["crash", "fail", "flaky", "inconclusive", "non_strict", "info", "pass", "not_applicable",
    "not_run", "reasoned", "uncovered", "unspecified"];
  const byVerdict = (a, b) => worstFirst.indexOf(a.verdict || "unspecified") - worstFirst.indexOf(b.verdict || "unspecified");
  const isFailure = (verdict) => verdict === "fail" || verdict === "crash";
  const worse = (a, b) => (worstFirst.indexOf(a) <= worstFirst.indexOf(b) ? a : b);
  const verdictOf = (result) => result.verdict || "unspecified";
  // As overall_verdict() in summary.cpp: a close that passed leaves the exchange's verdict alone.
  const caseVerdict = (result) =>
    !result.close_verdict || result.close_verdict === "pass" ? verdictOf(result)
      : worse(verdictOf(result), result.close_verdict);
  const isExpected = (result, verdict, otherwise) =>
    result.expected_verdict ? result.expected_verdict === verdict : otherwise(verdict);
  const caseAsExpected = (result) => isExpected(result, caseVerdict(result), (v) => !isFailure(v));
  const scenarioAsExpected = (result) => isExpected(result, verdictOf(result), (v) => v === "pass");

  const bytesOf = (base64) => (base64 ? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)) : new Uint8Array());
  const hexDump = (bytes, limit, leftOut = 0) => {
    const lines = [];
    for (let at = 0; at < Math.min(bytes.length, limit); at += 16) {
      const part = [...bytes.slice(at, Math.min(at + 16, limit))];
      const hex = part.map((b) => b.toString(16).padStart(2, "0")).join(" ");
      const text = part.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : "·")).join("");
      lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${text}`);
    }
    const more = Math.max(0, bytes.length - limit) + leftOut;
    if (more > 0) lines.push(`… ${more} more bytes`);
    return lines.join("\n");
  };

  // ---- elements ----------------------------------------------------------------------------------------------------

  const chip = (state, { text, big, ...attributes } = {}) => {
    const [symbol, word] = words[state] || words.unspecified;
    return h(attributes.onclick ? "button" : "span",
      { type: attributes.onclick && "button", title: explanations[state], ...attributes,
        class: `chip ${state}${big ? " big" : ""}` },
      symbol && h("span", { "aria-hidden": "true" }, symbol), text || word);
  };

  const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== "" && value !== null &&
    value !== undefined).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

  const boxes = (items, wrong = () => false) => h("span", { class: "sequence" },
    items.length ? items.map((item, i) => h("span", { class: wrong(item, i) ? "box wrong" : "box" }, item))
      : h("span", { class: "muted small" }, "empty"));

  // A details element whose body is built when it is first opened.
  const item = (id, summary, build, open) => {
    const body = h("div", { class: "body" });
    const element = h("details", { class: "item", id }, h("summary", {}, summary), body);
    const render = () => { if (element.open && !body.firstChild) body.append(...build().filter(Boolean)); };
    element.addEventListener("toggle", render);
    element.render = render;
    element.open = Boolean(open);
    return element;
  };

  // ---- diagram: lifelines, packets, states, faults -----------------------------------------------------------------

  const stopsPerPage = 400;
  const characterWidth = 7.25;
  const shorten = (text, width) => {
    const room = Math.max(3, Math.floor(width / characterWidth));
    return text.length > room ? `${text.slice(0, room - 1)}…` : text;
  };

  const stepText = (step) => step.text || { opened: "connection opened", closed: "connection closed" }[step.kind] ||
    (step.bytes ? `${bytesOf(step.bytes).length} bytes` : "");

  const travelsLater = (step, at) => !step.lost && number(step.arrived_us) > at;

  // What happens, in order. A packet that travels has two events; it leaves and arrives. The cursor stops at steps and
  // at states that the scenario asked for; arrivals, and the begin and end of faults, only take their room. What an event
  // changed of a session stands in the row of that event.
  const eventsOf = (trace, states, faults) => {
    const events = [];
    let now = 0;
    const sentAt = trace.map((step) => (now = Math.max(now, number(step.time_us))));
    trace.forEach((step, i) => {
      events.push({ kind: "step", at: sentAt[i], order: i, step });
      if (travelsLater(step, sentAt[i])) {
        events.push({ kind: "arrival", at: number(step.arrived_us), order: i + 0.25, step });
      }
    });
    states.forEach((state, i) => {
      const after = Math.min(number(state.after_step), trace.length);
      const at = Math.max(number(state.time_us), after > 0 ? sentAt[after - 1] : 0);
      events.push({ kind: state.is_change ? "change" : "state", at, order: after - 0.5 + i * 1e-6, state });
    });
    for (const fault of faults) {
      events.push({ kind: "begin", at: number(fault.from_us), order: -2, fault });
      if (number(fault.to_us) > number(fault.from_us)) events.push({ kind: "end", at: number(fault.to_us), order: -1, fault });
    }
    return events.sort((a, b) => a.at - b.at || a.order - b.order);
  };

  const actorsOf = (named, trace) => {
    const actors = [...(named || [])];
    for (const step of trace) {
      for (const actor of [step.from, step.to]) if (actor && !actors.includes(actor)) actors.push(actor);
    }
    return actors;
  };

  const stateFlow = (state) => h("div", {},
    h("div", { class: "small" }, h("b", {}, state.client_id || "session"), " ",
      h("span", { class: "muted" }, state.caption || "")),
    h("div", { class: "flow" },
      h("div", { class: "part" }, h("b", {}, "queue, next right"), boxes([...(state.queue || [])].reverse())),
      h("div", { class: "part window" }, h("b", {}, "in flight, oldest right"),
        boxes([...(state.inflight || [])].reverse())),
      h("span", { class: "then", "aria-hidden": "true" }, "→"),
      h("div", { class: "part" }, h("b", {}, "received, in order"),
        number(state.received_left_out) > 0 && h("span", { class: "muted small" }, `${state.received_left_out} and then `),
        boxes(state.received || []))),
    h("div", { class: "mono muted" }, state.text || ""));

  // trace, actors, leftOut; for scenarios states and faults, too. `availableWidth`: pixels before it has to scroll.
  const diagram = ({ trace, actors: named, leftOut = 0, states = [], faults = [], availableWidth }) => {
    if (!trace.length && !states.length) return null;
    const actors = actorsOf(named, trace);
    const events = eventsOf(trace, states, faults);
    const stops = events.filter((event) => event.kind === "step" || event.kind === "state");
    const hasSeveralSessions = new Set(states.map((state) => state.client_id || "")).size > 1;
    const rowText = (state) => `${hasSeveralSessions ? `${state.client_id} ` : ""}${state.text || ""}`;
    // After which stops a session is not what it was before.
    const changing = new Set();
    let stopsSoFar = 0;
    for (const event of events) {
      if (event.kind === "change") changing.add(stopsSoFar - 1);
      else if (event.kind === "state") changing.add(stopsSoFar++);
      else if (event.kind === "step") stopsSoFar++;
    }
    const longest = Math.max(0, ...events.map((event) => event.at));
    const [unit, perUnit, digits] = longest < 10e6 ? ["ms", 1e3, 3] : ["s", 1e6, 3];
    const timeText = (us) => (us / perUnit).toFixed(digits);
    const gutter = 18 + Math.max(8, timeText(longest).length) * 7;
    const widestLabel = Math.max(0, ...trace.map((step) => stepText(step).length));
    const widestState = states.reduce((most, state) => Math.max(most, rowText(state).length), 0);
    const stateWidth = states.length ? Math.max(190, Math.min(380, widestState * characterWidth + 34)) : 0;
    const lanes = Math.max(1, actors.length - 1);
    const halfActor = Math.min(110, Math.max(44, ...actors.map((actor) => actor.length * characterWidth / 2 + 12)));
    const fixed = gutter + 2 * halfActor + (stateWidth ? stateWidth + 26 : 0) + 20;
    const wanted = Math.min(460, Math.max(230, widestLabel * characterWidth + 40));
    const spare = ((availableWidth || 1000) - fixed) / lanes;
    const laneGap = spare < wanted ? Math.max(Math.min(wanted, 300), spare) : Math.min(spare, Math.max(wanted, 400));
    const laneX = (actor) => gutter + halfActor + Math.max(0, actors.indexOf(actor)) * laneGap;
    const rightLane = gutter + halfActor + (actors.length - 1) * laneGap;
    const stateX = rightLane + halfActor + 10;
    const width = Math.max(stateX + (stateWidth ? stateWidth + 16 : 0), gutter + 260);

    let cursor = -1;
    let page = 0;
    let marks = [];  // [stop index, its group] of the page that is drawn
    const scroll = h("div", { class: "scroll" });
    const inspect = h("div", { class: "inspect empty", "aria-live": "polite" });
    const where = h("span", { class: "where" });
    const stateView = states.length ? h("div", { class: "states" }) : null;

    // Up to three lines of small type within `room` pixels.
    const wrap = (text, room, mark = "") => {
      const columns = Math.max(12, Math.floor(room / 6.9));
      const lines = [mark];
      for (const word of text.split(" ")) {
        const last = lines[lines.length - 1];
        if (last === "" || last.length + word.length < columns) lines[lines.length - 1] = last ? `${last} ${word}` : word;
        else lines.push(word);
      }
      if (lines.length > 3) lines.splice(3, lines.length, `${lines.splice(2, 1)[0]} …`);
      return lines.map((line) => shorten(line, columns * characterWidth));
    };
    // A note starts at the left end of its arrow.
    const noteX = (step) => (actors.length > 1 && step.to ? Math.min(laneX(step.from), laneX(step.to)) : gutter + halfActor) + 12;
    const noteLines = (step) => {
      const isNamed = step.violates && (step.note || "").includes(step.violates);
      const note = [!isNamed && step.violates && `${step.violates} violated here`, step.note].filter(Boolean).join(": ");
      return note ? wrap(note, width - noteX(step) - 16, step.deviates ? "▲" : "") : [];
    };

    const arrowHead = (x, y, direction) => s("path", { class: "point",
      d: `M ${x} ${y} l ${-8 * direction} -4.2 l 0 8.4 z` });
    const cross = (x, y) => s("path", { class: "cross", d: `M ${x - 5} ${y - 5} l 10 10 m 0 -10 l -10 10` });

    const drawStep = (event, y, yArrival) => {
      const { step } = event;
      const x1 = laneX(step.from);
      const text = stepText(step);
      const classes = ["stop", step.kind || "packet", step.deviates && "deviates", step.lost && "lost"];
      const group = s("g", { class: classes.filter(Boolean).join(" ") });
      group.append(s("rect", { class: "hit", x: 0, y: event.top, width, height: event.height }));
      if (step.deviates) group.append(s("rect", { class: "mark", x: 0, y: event.top, width, height: event.height }));
      group.append(s("text", { class: "time", x: gutter - 8, y: y + 4 }, timeText(event.at)));
      const travels = step.to && step.to !== step.from && (step.kind === undefined || step.kind === "packet" ||
        step.kind === "opened" || step.kind === "closed");
      if (travels) {
        const x2 = laneX(step.to);
        const direction = x2 > x1 ? 1 : -1;
        const endX = step.lost ? x1 + (x2 - x1) * 0.62 : x2;
        const endY = yArrival;
        group.append(s("path", { class: "arrow", d: `M ${x1} ${y} L ${endX} ${endY}` }));
        if (step.lost || step.kind === "closed") group.append(cross(endX - (step.lost ? 0 : 6 * direction), endY));
        else group.append(arrowHead(endX, endY, direction));
        const sloping = endY - y > 4;
        const room = Math.abs(x2 - x1) - 22;
        const label = s("text", { class: "label", y: y - 6, x: sloping ? x1 + 10 * direction : (x1 + x2) / 2,
          "text-anchor": sloping ? (direction > 0 ? "start" : "end") : "middle" }, shorten(text, room));
        group.append(label);
      } else {
        const isLast = actors.length > 1 && step.from === actors[actors.length - 1];
        group.append(s("circle", { class: "point", cx: x1, cy: y, r: 4 }));
        group.append(s("text", { class: "label", x: x1 + (isLast ? -12 : 12), y: y + 4,
          "text-anchor": isLast ? "end" : "start" }, shorten(text, isLast ? x1 - gutter - 20 : width - x1 - 30)));
      }
      event.note.forEach((line, i) => group.append(s("text", { class: "note", x: noteX(step),
        y: (event.isNoteAbove ? event.top : y + 4) + 13 + 14 * i }, line)));
      group.append(s("title", {}, `${text}${step.note ? `\n${step.note}` : ""}`));
      return group;
    };

    const drawState = (event, y) => {
      const { state } = event;
      return s("g", { class: "stop state" },
        s("rect", { class: "hit", x: 0, y: event.top, width, height: event.height }),
        s("text", { class: "time", x: gutter - 8, y: y + 4 }, timeText(event.at)),
        s("line", { class: "leader", x1: gutter + halfActor, y1: y, x2: stateX, y2: y }),
        s("rect", { class: "frame", x: stateX, y: y - 13, width: stateWidth, height: 25, rx: 6 }),
        s("text", { x: stateX + 12, y: y + 4 }, shorten(state.text || "", stateWidth - 20)),
        event.note.map((line, i) => s("text", { class: "note", x: stateX + 12, y: y + 27 + 14 * i }, line)),
        s("title", {}, `${state.client_id || ""} ${state.caption || ""}`));
    };

    // What the events of one row made of the sessions: the last of each, beside the row.
    const drawChanges = (changes, y) => {
      const latest = new Map(changes.map((event) => [event.state.client_id || "", event.state]));
      const texts = [...latest.values()].map(rowText);
      return s("g", { class: "change" },
        s("text", { x: stateX + 12, y: y + 4 }, shorten(texts[0], stateWidth - (texts.length > 1 ? 44 : 14))),
        texts.length > 1 && s("text", { class: "more", x: stateX + stateWidth, y: y + 4, "text-anchor": "end" }, `+${texts.length - 1}`),
        s("title", {}, texts.join("\n")));
    };

    // `where` is an actor, a link that names two of them, or something else, which then spans all lifelines.
    const drawFault = (fault, top, bottom) => {
      const named = actors.filter((actor) => (fault.where || "").includes(actor));
      const [x1, x2] = named.length === 0 ? [gutter + halfActor, Math.max(rightLane, gutter + halfActor + 60)]
        : named.length === 1 && fault.where === named[0] ? [laneX(named[0]) - 13, laneX(named[0]) + 13]
          : named.length === 1 ? [laneX(named[0]) - 22, laneX(named[0]) + 22]
            : [Math.min(...named.map(laneX)) + 6, Math.max(...named.map(laneX)) - 6];
      const span = `${instant(number(fault.from_us))} – ${instant(number(fault.to_us))}`;
      const label = `${fault.kind || "fault"} ${fault.where || ""}`;
      return s("g", { class: "fault" },
        s("rect", { x: x1, y: top, width: x2 - x1, height: Math.max(17, bottom - top), rx: 4 }),
        s("text", { class: "label", x: x1 + 6, y: top + 12 }, shorten(label, Math.max(x2 - x1 - 8, 220))),
        s("title", {}, `${label} ${span} ${fault.note || ""}`));
    };

    const draw = () => {
      const first = page * stopsPerPage;
      const inPage = stops.slice(first, first + stopsPerPage);
      const from = first === 0 ? 0 : events.indexOf(inPage[0]);
      const to = first + stopsPerPage < stops.length ? events.indexOf(stops[first + stopsPerPage]) : events.length;
      const shown = events.slice(from, to);
      const fixedHeights = { arrival: 13, begin: 20, end: 10 };
      let y = 46;
      let row = 46;
      const changesOfRow = new Map();
      for (const event of shown) {
        if (event.kind === "change") {
          changesOfRow.set(row, [...(changesOfRow.get(row) || []), event]);
          continue;
        }
        if (fixedHeights[event.kind]) {
          y += fixedHeights[event.kind];
          event.y = y;
          if (event.kind === "arrival") row = y;
          continue;
        }
        event.top = y + 12;
        event.note = event.kind === "step" ? noteLines(event.step)
          : event.state.caption ? wrap(event.state.caption, stateWidth - 4) : [];
        // Below a sloping arrow a note would be crossed by it.
        event.isNoteAbove = event.kind === "step" && travelsLater(event.step, event.at);
        const noteHeight = 15 * event.note.length;
        event.y = y + 32 + (event.isNoteAbove ? noteHeight : 0);
        event.height = 32 + noteHeight + (event.kind === "state" && noteHeight ? 10 : 0);
        y += event.height;
        row = event.y;
      }
      const bottom = y + 26;
      const yOfArrival = new Map(shown.filter((event) => event.kind === "arrival").map((event) => [event.step, event.y]));
      const yEnd = ({ step, at, y: start }) => yOfArrival.get(step) || (travelsLater(step, at) ? bottom : start);
      const band = (fault) => {
        const yOf = (kind) => (shown.find((event) => event.kind === kind && event.fault === fault) || {}).y;
        const begin = yOf("begin");
        const end = yOf("end");
        const isInstant = number(fault.to_us) <= number(fault.from_us);
        const covers = events.findIndex((event) => event.kind === "begin" && event.fault === fault) < from &&
          events.findIndex((event) => event.kind === "end" && event.fault === fault) >= to;
        if (begin === undefined && end === undefined && !covers) return null;
        const top = begin === undefined ? 40 : begin - 14;
        return drawFault(fault, top, isInstant ? top : end === undefined ? bottom - 4 : end);
      };
      marks = inPage.map((event, i) =>
        [first + i, event.kind === "state" ? drawState(event, event.y) : drawStep(event, event.y, yEnd(event))]);
      for (const [index, group] of marks) group.addEventListener("click", () => select(index));
      const svg = s("svg", { width, height: bottom, viewBox: `0 0 ${width} ${bottom}`, role: "img",
        "aria-label": `Sequence diagram with ${plural(trace.length, "step")} between ${actors.join(", ")}` },
      faults.map(band),
      actors.map((actor) => [
        s("line", { class: "lane", x1: laneX(actor), y1: 34, x2: laneX(actor), y2: bottom }),
        s("g", { class: "actor" },
          s("rect", { x: laneX(actor) - halfActor + 6, y: 8, width: 2 * halfActor - 12, height: 26, rx: 7 }),
          s("text", { x: laneX(actor), y: 25 }, shorten(actor, 2 * halfActor - 14)), s("title", {}, actor))]),
      s("text", { class: "time", x: gutter - 8, y: 25 }, unit),
      [...changesOfRow].map(([at, changes]) => drawChanges(changes, at)),
      marks.map(([, group]) => group));
      scroll.replaceChildren(svg);
      highlight();
    };

    const highlight = () => {
      for (const [index, group] of marks) {
        group.classList.toggle("current", index === cursor);
        group.classList.toggle("later", cursor >= 0 && index > cursor);
      }
      const pages = Math.ceil(stops.length / stopsPerPage);
      where.textContent = `${cursor < 0 ? "all" : cursor + 1} of ${plural(stops.length, "step")}` +
        (pages > 1 ? `, part ${page + 1} of ${pages}` : "") + (leftOut ? `, ${leftOut} left out` : "");
      if (stateView) {
        const latest = new Map();
        const end = cursor + 1 < stops.length && cursor >= 0 ? events.indexOf(stops[cursor + 1]) : events.length;
        for (const event of events.slice(0, end)) {
          if (event.state) latest.set(event.state.client_id || "", event.state);
        }
        stateView.replaceChildren(...[...latest.values()].map(stateFlow));
        if (!latest.size) stateView.append(h("span", { class: "muted small" }, "no state yet"));
      }
    };

    const describe = (event) => {
      const close = h("button", { type: "button", class: "small", onclick: () => select(-1) }, "show all");
      if (event.kind === "state") {
        return [h("div", { class: "what" }, event.state.text || ""),
          h("div", { class: "muted small" }, `${timeText(event.at)} ${unit} · state of ${event.state.client_id || "the session"}` +
            `${event.state.caption ? ` · ${event.state.caption}` : ""} `, close)];
      }
      const { step } = event;
      const bytes = bytesOf(step.bytes);
      const size = bytes.length + number(step.bytes_left_out);
      const way = step.to ? `${step.from} → ${step.to}` : step.from;
      const arrival = step.lost ? " · lost on the way" : number(step.arrived_us) > event.at
        ? ` · arrived at ${timeText(number(step.arrived_us))} ${unit}` : "";
      return [h("div", { class: "what" }, stepText(step)),
        h("div", { class: "muted small" }, `${timeText(event.at)} ${unit} · ${way}${arrival}` +
          `${size ? ` · ${plural(size, "byte")}` : ""} `, close),
        step.violates && h("p", { class: "reason fail" }, `${step.violates} is violated here`),
        step.note && h("p", { class: step.deviates ? "reason fail" : "reason" }, step.note),
        bytes.length > 0 && h("pre", {}, hexDump(bytes, 4096, number(step.bytes_left_out)))];
    };

    const select = (index) => {
      cursor = Math.max(-1, Math.min(stops.length - 1, index));
      const wantedPage = cursor < 0 ? page : Math.floor(cursor / stopsPerPage);
      if (wantedPage !== page) {
        page = wantedPage;
        draw();
      }
      highlight();
      inspect.replaceChildren(...(cursor < 0 ? [] : describe(stops[cursor]).filter(Boolean)));
      inspect.classList.toggle("empty", cursor < 0);
      inspect.hidden = cursor < 0;
      const current = marks.find(([index_]) => index_ === cursor);
      if (current) {
        const [, group] = current;
        const box = group.getBoundingClientRect();
        const frame = scroll.getBoundingClientRect();
        if (box.top < frame.top + 40) scroll.scrollTop -= frame.top + 40 - box.top;
        if (box.bottom > frame.bottom - 20) scroll.scrollTop += box.bottom - frame.bottom + 20;
      }
    };

    const nextState = (direction) => {
      for (let i = cursor + direction; i >= 0 && i < stops.length; i += direction) {
        if (changing.has(i)) return select(i);
      }
      return undefined;
    };
    const button = (text, title, action) => h("button", { type: "button", title, "aria-label": title, onclick: action }, text);
    const step = (direction) => () => select(cursor < 0 && direction < 0 ? stops.length - 1 : Math.max(0, cursor + direction));
    const tools = h("div", { class: "tools" },
      button("|◀", "First step", () => select(0)), button("◀ back", "One step back", step(-1)),
      button("step ▶", "One step forward", step(1)), button("▶|", "Last step", () => select(stops.length - 1)),
      states.length > 0 && [button("‹ state", "Previous change of a queue or window", () => nextState(-1)),
        button("state ›", "Next change of a queue or window", () => nextState(1))],
      where, h("span", { class: "hint" }, "arrow keys step; a click on a packet shows its bytes"));
    const keys = { ArrowRight: step(1), ArrowDown: step(1), ArrowLeft: step(-1), ArrowUp: step(-1),
      Home: () => select(0), End: () => select(stops.length - 1), Escape: () => select(-1) };
    const element = h("div", { class: "diagram", tabindex: "0", role: "group", "aria-label": "Sequence diagram; arrow keys step",
      onkeydown: (event) => {
        if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        keys[event.key]();
      } }, tools, stateView, scroll, inspect);
    inspect.hidden = true;
    const deviation = stops.findIndex((event) => event.kind === "step" && (event.step.deviates || event.step.violates));
    page = Math.max(0, Math.floor(deviation / stopsPerPage));
    draw();
    element.showStep = (wanted) => {
      select(stops.findIndex((event) => event.kind === "step" && event.step === wanted));
      element.focus({ preventScroll: true });
      element.scrollIntoView({ block: "nearest" });
    };
    return element;
  };

  // ---- a case ------------------------------------------------------------------------------------------------------

  const pageWidth = () => Math.min(document.documentElement.clientWidth, 84 * 16) - 110;
  const statementById = new Map(rows.map((row) => [row.statement.id, row.statement]));

  const statementLine = (id) => {
    const statement = statementById.get(id);
    return h("p", { class: "small" }, h("a", { class: "mono", href: `#s-${id}` }, id),
      statement && [` ${statement.level || ""}: `, h("span", { class: "muted" }, statement.requirement || "")]);
  };

  const isAddress = (text) => /^https?:\/\/[^\s<>"]+$/.test(text || "");

  const caseBody = (result) => [
    h("p", { class: "demand" }, result.title || ""),
    (result.statements || []).map(statementLine),
    result.close_verdict && h("p", { class: "small" }, "exchange ", chip(verdictOf(result)), " · close ",
      chip(result.close_verdict)),
    result.condition && h("p", { class: "small muted" }, { guarded: "On the broker with users and access rules.",
      reduced: "On the broker with features off and small limits." }[result.condition] || result.condition),
    (result.expected_verdict || result.expectation_reason) && h("p", { class: "small muted" },
      result.expected_verdict && `Expected here: ${(words[result.expected_verdict] || words.unspecified)[1]}. `,
      result.expectation_reason || "", " ", isAddress(result.expectation_link)
        ? h("a", { href: result.expectation_link, rel: "noreferrer" }, result.expectation_link) : result.expectation_link || ""),
    (result.expected || result.seen) && h("div", { class: "versus" },
      h("div", { class: "pass" }, h("h3", {}, "Expected"), result.expected || "–"),
      h("div", { class: isFailure(caseVerdict(result)) ? "fail" : "info" }, h("h3", {}, "Seen"), result.seen || "–")),
    result.reason && h("p", { class: `reason ${caseVerdict(result)}` }, result.reason),
    diagram({ trace: result.trace || [], actors: result.actors, leftOut: number(result.steps_left_out),
      availableWidth: pageWidth() }),
    result.reproduce && [h("h3", {}, "Again"), command(result.reproduce)],
    h("p", { class: "small muted" }, [
      number(result.duration_us) && `took ${duration(number(result.duration_us))}`,
      number(result.virtual_duration_us) && `${duration(number(result.virtual_duration_us))} of virtual time`,
    ].filter(Boolean).join(" · ")),
  ].flat(Infinity);

  // ---- a scenario --------------------------------------------------------------------------------------------------

  const scenarioBody = (result) => {
    const trace = result.trace || [];
    const invariants = result.invariants || [];
    for (const invariant of invariants) {
      const broken = isFailure(verdictOf(invariant)) && invariant.at_step !== undefined && trace[invariant.at_step];
      if (broken) {
        broken.violates = invariant.invariant;
        broken.deviates = true;
      }
    }
    const picture = diagram({ trace, actors: result.actors, states: result.states, faults: result.faults,
      leftOut: number(result.steps_left_out), availableWidth: pageWidth() });
    const demanded = result.expected_received || [];
    const received = result.received || [];
    const broken = invariants.filter((invariant) => verdictOf(invariant) !== "pass").sort(byVerdict);
    const holding = invariants.filter((invariant) => verdictOf(invariant) === "pass");
    return [
      result.reason && h("p", { class: `reason ${verdictOf(result)}` }, result.reason),
      broken.length > 0 && [h("h3", {}, "Invariants that are broken"), h("table", { class: "plain" },
        h("tbody", {}, broken.map((invariant) => h("tr", {},
          h("td", { class: "id mono" }, invariant.invariant || ""), h("td", {}, chip(verdictOf(invariant))),
          h("td", {}, invariant.title || "", invariant.explanation && h("div", { class: "small muted" }, invariant.explanation)),
          h("td", { class: "number" }, invariant.at_us !== undefined && `at ${instant(number(invariant.at_us))} `,
            invariant.at_step !== undefined && trace[invariant.at_step] && h("button", { type: "button", class: "small",
              onclick: () => picture.showStep(trace[invariant.at_step]) }, "show packet"))))))],
      holding.length > 0 && h("details", { class: "file" }, h("summary", {}, chip("pass", { text: `${plural(holding.length,
        "invariant")} ${holding.length === 1 ? "holds" : "hold"}` })),
      h("p", { class: "small" }, holding.map((invariant, i) => [i > 0 && " · ", h("span", { class: "mono" },
        invariant.invariant || ""), ` ${invariant.title || ""}`]))),
      (received.length > 0 || demanded.length > 0) && [h("h3", {}, "Received by the client's application"),
        h("p", {}, boxes(received, (value, i) => demanded.length > 0 && demanded[i] !== value)),
        demanded.length > 0 && demanded.join("\n") !== received.join("\n") && h("p", { class: "small" }, "expected ", boxes(demanded))],
      picture && [h("h3", {}, "What happened"), picture],
      (result.faults || []).length > 0 && [h("h3", {}, "Faults"), h("table", { class: "plain" }, h("tbody", {},
        result.faults.map((fault) => h("tr", {}, h("td", { class: "mono" }, fault.kind || ""), h("td", {}, fault.where || ""),
          h("td", {}, `${instant(number(fault.from_us))} – ${instant(number(fault.to_us))}`), h("td", {}, fault.note || "")))))],
      (result.measures || []).length > 0 && [h("h3", {}, "Measures"), measureTable([result.measures], [""])],
      facts([["seed", String(result.seed || 0)], ["virtual time", duration(number(result.virtual_duration_us))],
        ["events", number(result.events) ? number(result.events).toLocaleString("en") : ""], ["fidelity", result.fidelity || ""],
        ["digest", result.digest && h("code", {}, result.digest)]]),
      result.scenario_text && h("details", { class: "file" }, h("summary", {}, "The scenario as a file"),
        h("pre", {}, result.scenario_text)),
      result.reproduce && [h("h3", {}, "Again"), command(result.reproduce)],
    ].flat(Infinity);
  };

  const figure = (measure) => {
    const digits = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : String(+value.toPrecision(4)));
    const half = measure.confidence_half_width;
    return `${digits(number(measure.value))}${half === undefined ? "" : ` ± ${digits(number(half))}`}` +
      `${measure.unit && measure.unit !== "1" ? ` ${measure.unit}` : ""}`;
  };
  const measureTable = (columns, names) => {
    const order = [...new Set(columns.flatMap((measures) => (measures || []).map((measure) => measure.name || "")))];
    return h("table", { class: "plain" },
      names.some(Boolean) && h("thead", {}, h("tr", {}, h("th", {}, "measure"), names.map((name) => h("th", {}, name)))),
      h("tbody", {}, order.map((name) => h("tr", {}, h("td", { class: "mono" }, name), columns.map((measures) => {
        const found = (measures || []).find((measure) => measure.name === name);
        return h("td", { class: "number" }, found ? figure(found) : "–",
          found && number(found.samples) > 0 && h("div", { class: "small muted" },
            `${plural(number(found.samples), "sample")}${found.confidence_level ? `, ${found.confidence_level * 100} % confidence` : ""}`));
      })))));
  };

  // ---- a matrix: rows in groups, one column per run, filters, details under the row --------------------------------

  // row: { id, anchor, group, version, text (searched), describe() -> cells before the runs, cells: [{ state, label, open() } | null] }
  const matrix = ({ rows: all, head, columns, noun, withVersion }) => {
    const states = worstFirst.filter((state) => all.some((row) => row.cells.some((cell) => cell && cell.state === state)));
    const chosen = new Set();
    const body = h("tbody", {});
    const shown = h("span", { class: "shown", "aria-live": "polite" });
    const search = h("input", { type: "search", placeholder: `Search ${noun}s: id, words, section`, "aria-label": `Search ${noun}s` });
    const groups = [...new Set(all.map((row) => row.group))];
    const versions = withVersion ? [...new Set(all.map((row) => row.version))] : [];
    const option = (value, text) => h("option", { value }, text);
    const version = versions.length > 1 && h("select", { "aria-label": "Version" }, option("", "All versions"),
      versions.map((v) => option(v, v)));
    const group = h("select", { "aria-label": "Section" });
    const fillGroups = () => group.replaceChildren(option("", "All sections"),
      ...groups.filter((g) => !version || !version.value || g.startsWith(`${version.value} `)).map((g) => option(g, g)));
    fillGroups();
    const differing = columns.length > 1 && h("input", { type: "checkbox" });
    const verdicts = h("span", { class: "group", role: "group", "aria-label": "Verdicts" }, states.map((state) => {
      const count = all.filter((row) => row.cells.some((cell) => cell && cell.state === state)).length;
      const toggle = chip(state, { text: `${words[state][1]} ${count}`, "aria-pressed": "false", onclick: () => {
        if (!chosen.delete(state)) chosen.add(state);
        toggle.setAttribute("aria-pressed", String(chosen.has(state)));
        update();
      } });
      return toggle;
    }));

    const span = head.length + columns.length;
    const cellButton = (cell, row, line) => {
      if (!cell) return h("td", { class: "cell" });
      if (!cell.open) return h("td", { class: "cell" }, chip(cell.state, { text: cell.label }));
      let more = null;
      const button = chip(cell.state, { text: cell.label, "aria-expanded": "false", onclick: () => {
        const isOpen = more !== null;
        if (isOpen) more.remove();
        more = isOpen ? null : h("tr", { class: "more" }, h("td", { colspan: span }, cell.open()));
        if (more) line.after(more);
        button.setAttribute("aria-expanded", String(!isOpen));
        row.more = more;
      } });
      return h("td", { class: "cell" }, button);
    };
    const lines = new Map();
    const lineOf = (row) => {
      if (!lines.has(row)) {
        const line = h("tr", { class: "row", id: row.anchor }, row.describe());
        line.append(...row.cells.map((cell) => cellButton(cell, row, line)));
        lines.set(row, line);
      }
      return lines.get(row);
    };

    const update = () => {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (row) => (!version || !version.value || row.version === version.value) &&
        (!group.value || row.group === group.value) && wanted.every((word) => row.text.includes(word)) &&
        (chosen.size === 0 || row.cells.some((cell) => cell && chosen.has(cell.state))) &&
        (!differing || !differing.checked || new Set(row.cells.filter(Boolean).map((cell) => cell.state)).size > 1);
      const visible = all.filter(fits);
      const content = [];
      let last = null;
      for (const row of visible) {
        if (row.group !== last) {
          last = row.group;
          const members = visible.filter((other) => other.group === last);
          const tally = worstFirst.map((state) => [state, members.filter((member) =>
            member.cells.some((cell) => cell && cell.state === state)).length]).filter(([, count]) => count > 0)
            .map(([state, count]) => `${count} ${words[state][1]}`).join(" · ");
          content.push(h("tr", { class: "group" }, h("th", { colspan: span, scope: "rowgroup" }, last,
            h("span", { class: "tally" }, tally))));
        }
        content.push(lineOf(row));
        if (row.more) content.push(row.more);
      }
      if (!visible.length) content.push(h("tr", {}, h("td", { colspan: span, class: "none" }, `No ${noun} fits these filters.`)));
      body.replaceChildren(...content);
      shown.textContent = `${visible.length} of ${plural(all.length, noun)}`;
    };

    search.addEventListener("input", update);
    for (const control of [version, group, differing]) {
      if (control) control.addEventListener("change", () => { if (control === version) fillGroups(); update(); });
    }
    update();
    const reset = () => {
      search.value = "";
      if (version) { version.value = ""; fillGroups(); }
      group.value = "";
      if (differing) differing.checked = false;
      chosen.clear();
      for (const toggle of verdicts.children) toggle.setAttribute("aria-pressed", "false");
      update();
    };
    return { search, reset, parts: [
      h("div", { class: "filters" }, search, version, group,
        differing && h("label", {}, differing, "only where the runs differ"), verdicts, shown),
      h("div", { class: columns.length > 4 ? "sheet wide" : "sheet" }, h("table", { class: "matrix" },
        h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)),
          columns.map((name) => h("th", { class: "run", scope: "col" }, name)))), body))] };
  };

  // ---- sections of the page ----------------------------------------------------------------------------------------

  const countOrder = ["pass", "non_strict", "info", "fail", "crash", "flaky", "inconclusive", "not_applicable",
    "not_run", "reasoned", "uncovered"];
  const bar = (counts) => {
    const present = countOrder.filter((state) => number(counts[state]) > 0);
    const picture = h("div", { class: "bar", "aria-hidden": "true" });
    for (const state of present) {
      const part = h("i", { class: state });
      part.style.flexGrow = number(counts[state]);
      picture.append(part);
    }
    return [picture, h("ul", { class: "legend" }, present.map((state) =>
      h("li", { class: state }, `${counts[state]} ${words[state][1]}`)))];
  };

  const targetLine = (target = {}) => [target.name, target.url, target.version, target.mqtt_versions && `MQTT ${target.mqtt_versions}`,
    number(target.nodes) > 1 && plural(target.nodes, "node"), number(target.shards) > 0 && plural(target.shards, "shard")]
    .filter(Boolean).join(" · ");

  const tile = (summary, run) => {
    const statements = summary.statements || {};
    const judged = statements.judged || {};
    const total = number(statements.total);
    // As judged_count() in summary.cpp: what could not be judged says nothing about the target.
    const judgedCount = Object.entries(judged).reduce((sum, [verdict, n]) =>
      sum + (verdict === "not_applicable" || verdict === "inconclusive" ? 0 : n), 0);
    const results = Object.values(summary.counts || {}).reduce((sum, n) => sum + n, 0);
    const kind = { conformance: "Conformance", simulation: "Simulation", load: "Load", plan: "Plan" }[summary.kind] || "Run";
    const noun = ["simulation", "load", "plan"].includes(summary.kind) ? "scenario" : "case";
    return h("article", { class: "tile" },
      h("header", {}, h("div", {}, h("div", { class: "kind" }, kind), h("div", { class: "name" }, summary.name || "unnamed"),
        h("div", { class: "where" }, targetLine(summary.target))), chip(verdictOf(summary), { big: true })),
      h("div", { class: "figure" }, h("strong", {}, String(results)), h("span", { class: "muted" }, `${noun}${results === 1 ? "" : "s"} run`)),
      bar(summary.counts || {}),
      total > 0 && [h("div", { class: "figure" }, h("strong", {}, String(judgedCount)),
        h("span", { class: "muted" }, `of ${plural(total, "statement")} judged`)),
      bar({ ...judged, not_run: statements.not_run, reasoned: statements.reasoned, uncovered: statements.uncovered })],
      facts([["seed", String(summary.seed || 0)], ["duration", number(summary.duration_ms) ? duration(number(summary.duration_ms) * 1e3) : ""],
        ["started", number(run.started_unix_ms) ? `${new Date(number(run.started_unix_ms)).toISOString().slice(0, 19).replace("T", " ")} UTC` : ""],
        ["unexpected", number(summary.unexpected) ? plural(summary.unexpected, "result") : ""],
        ["digest", summary.digest && h("code", {}, summary.digest)], ["tool", run.tool_version && `touchstone ${run.tool_version}`]]),
      (run.facts || []).length > 0 && h("details", {}, h("summary", { class: "small" }, "What it can do and chooses"),
        facts(run.facts.map((fact) => [fact.name || "", h("span", { title: fact.source || "" }, fact.value || "")]))),
      (run.notes || []).length > 0 && h("ul", { class: "notes" }, run.notes.map((note) => h("li", {}, note))),
      command(summary.reproduce));
  };

  const scenarioSummary = (result, runName, otherwise) => [chip(verdictOf(result)),
    h("span", { class: "title" }, h("span", { class: "mono" }, result.scenario || ""), " ",
      h("span", { class: "muted" }, otherwise)),
    (result.defects || []).map((defect) => h("span", { class: "tag defect" }, `defect ${defect}`)),
    isFailure(verdictOf(result)) && scenarioAsExpected(result) && h("span", { class: "tag" }, "as expected"),
    h("span", { class: "run" }, `seed ${result.seed || 0} · ${runName}`)];

  const failures = () => {
    const found = [];
    runs.forEach((run, r) => {
      (run.cases || []).forEach((result) => {
        const verdict = caseVerdict(result);
        const expected = caseAsExpected(result);
        if (expected && !isFailure(verdict)) return;
        found.push({ expected, build: (open) => item(null, [chip(verdict), h("span", { class: "title" },
          h("span", { class: "mono" }, result.case_id || ""), " ", h("span", { class: "muted" }, result.title || "")),
        expected ? h("span", { class: "tag" }, "known failure") : !isFailure(verdict) && h("span", { class: "tag defect" }, "unexpected pass"),
        h("span", { class: "run" }, run.name || "")], () => caseBody(result), open) });
      });
      (run.scenarios || []).forEach((result, i) => {
        const expected = scenarioAsExpected(result);
        if (expected) return;
        found.push({ expected, build: () => h("div", {}, item(null, scenarioSummary(result, run.name || "", result.reason || ""),
          () => [h("p", {}, h("a", { href: `#run-${r}-scenario-${i}` }, "Sequence diagram and invariants below")),
            h("p", { class: "reason fail" }, result.reason || ""), command(result.reproduce)], false)) });
      });
    });
    found.sort((a, b) => Number(a.expected) - Number(b.expected));
    return found;
  };

  const statementRuns = runs.map((run, i) => i).filter((i) => rows.some((row) => (row.cells[i] || {}).state));
  const statementRows = () => rows.map((row) => {
    const { statement } = row;
    const cells = statementRuns.map((i) => {
      const cell = row.cells[i] || {};
      if (!cell.state) return null;
      const cases = (cell.cases || []).map((index) => runs[i].cases[index]);
      return { state: cell.state === "judged" ? cell.verdict || "unspecified" : cell.state,
        label: undefined,
        open: cases.length ? () => cases.map((result) => {
          const box = item(null, [chip(caseVerdict(result)), h("span", { class: "title mono" }, result.case_id || ""),
            h("span", { class: "run" }, runs[i].name || "")], () => caseBody(result), cases.length === 1);
          box.render();
          return box;
        }) : null };
    });
    const anyState = cells.find(Boolean) || {};
    const why = anyState.state === "reasoned" ? `No case: ${statement.reason}`
      : anyState.state === "not_run" ? `Not selected in this run: ${(statement.case_ids || []).join(", ")}` : statement.reason || "";
    return { anchor: `s-${statement.id}`, version: row.version || "", group: `${row.version || ""} ${statement.section || ""}`, cells,
      text: [statement.id, statement.section, statement.requirement, statement.reason, statement.level, statement.actor]
        .join(" ").toLowerCase(),
      describe: () => [h("td", { class: "id mono" }, statement.id, h("span", { class: "level" },
        [statement.level, statement.actor].filter(Boolean).join(" · "))),
      h("td", { class: "text" }, statement.requirement || "", why && h("div", { class: "why" }, why))] };
  });

  const caseRuns = runs.map((run, i) => i).filter((i) => (runs[i].cases || []).length);
  const caseRows = () => {
    const byId = new Map();
    for (const i of caseRuns) {
      for (const result of runs[i].cases) {
        const id = result.case_id || "";
        if (!byId.has(id)) byId.set(id, { result, reasons: [], cells: caseRuns.map(() => null) });
        const place = caseRuns.indexOf(i);
        if (result.reason) byId.get(id).reasons.push([i, result.reason]);
        byId.get(id).cells[place] = { state: caseVerdict(result),
          open: () => h("div", {}, h("p", { class: "small muted" }, runs[i].name || ""), caseBody(result)) };
      }
    }
    // Cases of a section together, sections in the order in which they are met.
    const sections = [...new Set([...byId.values()].map(({ result }) => result.section || "cases"))];
    return [...byId.entries()].map(([id, { result, reasons, cells }]) => ({ cells, group: result.section || "cases",
      version: (result.section || "").split(" ")[0],
      text: [id, result.title, result.section, ...reasons.map(([, reason]) => reason), ...(result.statements || []),
        ...(result.tags || [])].join(" ").toLowerCase(),
      describe: () => [h("td", { class: "text" }, h("span", { class: "mono" }, id), h("div", {}, result.title || ""),
        reasons.map(([i, reason]) => h("div", { class: "why" }, caseRuns.length > 1 && h("b", {}, `${runs[i].name}: `), reason)))] }))
      .sort((a, b) => sections.indexOf(a.group) - sections.indexOf(b.group));
  };

  const scenarioItems = () => runs.flatMap((run, r) => (run.scenarios || []).map((result, i) => {
    const element = item(`run-${r}-scenario-${i}`, scenarioSummary(result, run.name || "", result.description || ""),
      () => scenarioBody(result), false);
    if (!scenarioAsExpected(result)) element.dataset.unexpected = "yes";
    return element;
  }));

  // ---- the page ----------------------------------------------------------------------------------------------------

  const sections = [];
  const section = (id, title, of, content, bad) => {
    sections.push({ id, title, of, bad });
    return h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title,
      of !== undefined && h("span", { class: "of" }, of)), content);
  };

  const stored = { get: () => { try { return localStorage.getItem("touchstone-theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("touchstone-theme", value); } catch { /* a page without storage */ } } };
  const setTheme = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  setTheme(stored.get());
  const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  // A dark stone with the streak of gold that is judged on it.
  const build = () => {
    const page = document.getElementById("page");
    const main = h("main", { class: "wrap" });
    main.append(section("overview", "Overview", plural(runs.length, "run"), h("div", { class: "tiles" },
      summaries.map((summary, i) => tile(summary, runs[i])))));

    const found = failures();
    const unexpected = found.filter((failure) => !failure.expected).length;
    if (found.length) {
      const known = found.length - unexpected;
      main.append(section("failures", "Failures", [unexpected && `${unexpected} unexpected`, known && `${known} known`]
        .filter(Boolean).join(", "), found.map((failure, i) => failure.build(i < 3 && !failure.expected)), unexpected > 0));
    }

    const scenarios = scenarioItems();
    if (scenarios.length) main.append(section("scenarios", "Scenarios", String(scenarios.length), scenarios));

    let table = null;
    if (statementRuns.length) {
      table = matrix({ rows: statementRows(), head: ["Statement", "Requirement"], noun: "statement", withVersion: true,
        columns: statementRuns.map((i) => runs[i].name || "") });
      main.append(section("statements", "Statements", String(rows.length), table.parts));
    }
    if (caseRuns.length) {
      const cases = matrix({ rows: caseRows(), head: ["Case"], noun: "case", withVersion: true,
        columns: caseRuns.map((i) => runs[i].name || "") });
      main.append(section("cases", "Cases", String(new Set(caseRuns.flatMap((i) => runs[i].cases.map((c) => c.case_id))).size), cases.parts));
    }
    const measured = runs.filter((run) => (run.measures || []).length);
    if (measured.length) {
      main.append(section("measures", "Measures", undefined, h("div", { class: "sheet" },
        measureTable(measured.map((run) => run.measures), measured.map((run) => run.name || "")))));
    }
    const tools = [...new Set(runs.map((run) => run.tool_version).filter(Boolean))];
    main.append(h("footer", { class: "foot" },
      `Written by touchstone${tools.length ? ` ${tools.join(", ")}` : ""}. This file needs no network. Statement texts are paraphrases; ` +
      "the numbers are those of the OASIS standards MQTT 3.1.1 and MQTT 5.0."));

    const theme = h("button", { type: "button", title: "Light or dark", onclick: () => {
      const next = isDark() ? "light" : "dark";
      setTheme(next);
      stored.set(next);
    } }, "◐ theme");
    const verdicts = worstFirst.map((verdict) => [summaries.filter((summary) => verdictOf(summary) === verdict).length, verdict])
      .filter(([count]) => count > 0).map(([count, verdict]) => `${count} ${words[verdict][1]}`).join(", ");
    page.append(
      h("header", { class: "head" }, h("div", { class: "wrap" }, emblem(), h("div", { class: "grow" }, h("h1", {}, report.title || "Touchstone report"),
        h("div", { class: "muted" }, `${plural(runs.length, "run")}: ${verdicts}`)),
      theme, h("button", { type: "button", onclick: () => print() }, "print"))),
      h("nav", { class: "nav", "aria-label": "Sections" }, h("div", { class: "wrap" }, sections.map(({ id, title, of, bad }) =>
        h("a", { href: `#${id}` }, title, id !== "overview" && of && h("b", { class: bad && "bad" }, ` ${of}`))))),
      main);

    for (const element of page.querySelectorAll("details.item")) element.render();
    if (scenarios.length === 1) scenarios[0].open = true;
    scenarios.filter((element) => element.dataset.unexpected).slice(0, 2).forEach((element) => { element.open = true; });

    // A link to a statement has to show its row even when a filter hides it; a link to a scenario opens it.
    const follow = () => {
      const id = decodeURIComponent(location.hash.slice(1));
      if (!id) return;
      if (table && id.startsWith("s-") && !document.getElementById(id)) table.reset();
      const element = document.getElementById(id);
      if (!element) return;
      if (element.tagName === "DETAILS") element.open = true;
      element.scrollIntoView({ block: id.startsWith("s-") ? "center" : "start" });
    };
    addEventListener("hashchange", follow);
    follow();
    addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
      if (event.key === "/" && !typing && table) {
        event.preventDefault();
        table.search.focus();
      }
    });
    // Paper has no click: what failed is printed with its packets.
    addEventListener("beforeprint", () => {
      for (const element of page.querySelectorAll("#failures details.item, #scenarios details.item")) {
        element.open = true;
        element.render();
      }
    });
  };

  build();
})();
