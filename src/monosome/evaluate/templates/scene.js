// A scene: 3D view, sequence with pairs and confidence, and a map of residue pairs; what is picked in one shows in all.
(() => {
"use strict";
const SVG = "http://www.w3.org/2000/svg", COLUMN = 12;
const BANDS = [[90, "#0053d6"], [70, "#65cbf3"], [50, "#ffdb13"], [0, "#ff7d45"]];
const band = value => BANDS.find(([low]) => value >= low)[1];

const inflated = async id => {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), c => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
};

const element = (name, attributes = {}, text = "") => {
  const made = name in SHAPES ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
};
const SHAPES = { svg: 1, path: 1, rect: 1, text: 1, g: 1, line: 1, title: 1 };

const read = buffer => {
  const size = new DataView(buffer).getUint32(0, true);
  const scene = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const array = kept => {
    if (!kept || kept.type === "uint8") return kept && new Uint8Array(buffer, 4 + size + kept.at, kept.num);
    const bytes = new Uint8Array(buffer, 4 + size + kept.at, 2 * kept.num);  // all low ones, then all high ones
    return Int16Array.from({ length: kept.num }, (_, i) => bytes[i] | bytes[kept.num + i] << 8);
  };
  for (const model of [...scene.models, scene.native]) if (model) {
    model.atoms = positions(array(model.steps), array(model.known), scene.unit, scene.sequence.length * scene.atomNames.length);
    model.confidence = array(model.confidence);
    model.partner = new Map(model.pairs.flatMap(([i, j]) => [[i, j], [j, i]]));
  }
  if (scene.matrix) scene.matrix.values = array(scene.matrix.values);
  return scene;
};

const positions = (steps, known, unit, num) => {
  const found = new Float32Array(3 * num).fill(NaN), at = [0, 0, 0];
  for (let atom = 0, step = 0; atom < num; atom++)
    if (known[atom >> 3] & 128 >> (atom & 7)) for (let k = 0; k < 3; k++) found[3 * atom + k] = unit * (at[k] += steps[step++]);
  return found;
};

const chainName = strand => strand < 26 ? String.fromCharCode(65 + strand) : "A" + strand;

// mmCIF with what a viewer needs: atoms, and confidence as the ModelCIF dictionary keeps it.
const mmcif = (scene, model) => {
  const perResidue = scene.atomNames.length, lines = ["data_" + scene.id.replace(/\W/g, "_"), "#"];
  const inStrand = []; let last = -1, number = 0;
  scene.strands.forEach((strand, i) => { number = strand === last ? number + 1 : 1; last = strand; inStrand[i] = number; });
  if (model.confidence) {
    lines.push("loop_", "_ma_qa_metric.id", "_ma_qa_metric.mode", "_ma_qa_metric.name", "_ma_qa_metric.type",
      "1 global pLDDT pLDDT", "2 local pLDDT pLDDT", "#", "loop_",
      ...["label_asym_id", "label_comp_id", "label_seq_id", "metric_id", "metric_value", "model_id", "ordinal_id"]
        .map(name => "_ma_qa_metric_local." + name));
    scene.strands.forEach((strand, i) =>
      lines.push(`${chainName(strand)} ${scene.sequence[i]} ${inStrand[i]} 2 ${model.confidence[i]} 1 ${i + 1}`));
    lines.push("#");
  }
  lines.push("loop_", ...["group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id",
    "label_asym_id", "label_entity_id", "label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv",
    "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num"].map(name => "_atom_site." + name));
  let id = 0;
  for (let i = 0; i < scene.sequence.length; i++) for (let a = 0; a < perResidue; a++) {
    const at = 3 * (i * perResidue + a), [x, y, z] = model.atoms.subarray(at, at + 3);
    if (Number.isNaN(x)) continue;
    const name = scene.atomNames[a], chain = chainName(scene.strands[i]);
    lines.push(`ATOM ${++id} ${name[0]} "${name}" . ${scene.sequence[i]} ${chain} 1 ${inStrand[i]} ` +
      `${x.toFixed(2)} ${y.toFixed(2)} ${z.toFixed(2)} 1 ${model.confidence ? model.confidence[i] : 0} ` +
      `${inStrand[i]} ${chain} 1`);
  }
  return lines.join("\n") + "\n#\n";
};

const csv = (scene, model) => ["residue,chain,base,pLDDT,partner", ...[...scene.sequence].map((base, i) =>
  [i + 1, chainName(scene.strands[i]), base, model.confidence ? model.confidence[i] : "",
    model.partner.has(i) ? model.partner.get(i) + 1 : ""].join(","))].join("\n") + "\n";

const download = (name, text) => {
  const link = element("a", { href: URL.createObjectURL(new Blob([text])), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

let loading;
const molstar = () => loading ??= (async () => {
  const text = async id => new TextDecoder().decode(await inflated(id));
  document.head.append(element("style", {}, await text("molstar-style")));
  document.head.append(element("script", {}, await text("molstar-program")));
  return window.molstar;
})();

// The 3D view. `onPick` and `onHover` are told the residue below the pointer, or null.
class View {
  static async in(place, onPick, onHover) {
    const { Viewer } = await molstar();
    const viewer = await Viewer.create(place, {
      layoutIsExpanded: false, layoutShowControls: false, layoutShowSequence: false, layoutShowLog: false,
      layoutShowLeftPanel: false, viewportShowExpand: false, viewportShowSelectionMode: false,
      viewportShowAnimation: false, viewportShowControls: false, viewportShowSettings: false, viewportShowTrajectoryControls: false,
      disabledExtensions: ["volseg", "assembly-symmetry"],
    });
    return new View(viewer.plugin, onPick, onHover);
  }
  constructor(plugin, onPick, onHover) {
    this.plugin = plugin; this.structure = null;
    const residue = ({ current }) => current.loci.kind === "element-loci" ? View.residue(current.loci) : null;
    plugin.behaviors.interaction.click.subscribe(event => { const i = residue(event); if (i !== null) onPick(i); });
    plugin.behaviors.interaction.hover.subscribe(event => onHover(residue(event)));
  }
  static residue(loci) {
    const { unit, indices } = loci.elements[0];
    // A set of neighbours is kept as two integers in the bytes of one number, any other as an array.
    const first = typeof indices === "number" ? new Int32Array(new Float64Array([indices]).buffer)[0] : indices[0];
    return unit.model.atomicHierarchy.residueAtomSegments.index[unit.elements[first]];
  }
  loci(residues) {
    const wanted = new Set(residues), elements = [];
    for (const unit of this.structure.units) {
      const { index } = unit.model.atomicHierarchy.residueAtomSegments, indices = [];
      unit.elements.forEach((atom, place) => { if (wanted.has(index[atom])) indices.push(place); });
      if (indices.length) elements.push({ unit, indices: Int32Array.from(indices) });
    }
    return { kind: "element-loci", structure: this.structure, elements };
  }
  async show(scene, model, style, native) {
    const before = this.structure && this.plugin.canvas3d.camera.getSnapshot();
    await this.plugin.clear();
    if (native) await this.add(scene, native, style, true);
    this.structure = await this.add(scene, model, style, false);
    if (before) this.plugin.canvas3d.requestCameraReset({ snapshot: before, durationMs: 0 });
    this.recolour();
  }
  async add(scene, model, style, grey) {
    const { builders } = this.plugin;
    const data = await builders.data.rawData({ data: mmcif(scene, model), label: model.name });
    const trajectory = await builders.structure.parseTrajectory(data, "mmcif");
    const structure = await builders.structure.createStructure(await builders.structure.createModel(trajectory));
    const part = await builders.structure.tryCreateComponentStatic(structure, "all");
    const colour = grey ? { color: "uniform", colorParams: { value: 0x9aa0a6 } }
      : model.confidence ? { color: "plddt-confidence" } : { color: "nucleotide" };
    await builders.structure.representation.addRepresentation(part, { ...STYLES[style], ...colour });
    return structure.cell.obj.data;
  }
  recolour() {
    const [r, g, b] = getComputedStyle(document.querySelector("figure")).backgroundColor.match(/\d+/g).map(Number);
    this.plugin.canvas3d?.setProps({ renderer: { backgroundColor: (r << 16) | (g << 8) | b } });
  }
  mark(residues) {
    if (this.structure) this.plugin.managers.interactivity.lociHighlights.highlightOnly({ loci: this.loci(residues) });
  }
  select(residues, move) {
    if (!this.structure) return;
    const loci = this.loci(residues), { interactivity, camera } = this.plugin.managers;
    interactivity.lociSelects.deselectAll();
    if (!residues.length) return;
    interactivity.lociSelects.select({ loci });
    if (move) camera.focusLoci(loci, { minRadius: 14 });
  }
}
const STYLES = {
  cartoon: { type: "cartoon" },
  backbone: { type: "backbone" },
  atoms: { type: "ball-and-stick" },
};

// The sequence: arcs of the model above, those of the native below, a bar of confidence for each residue.
class Track {
  constructor(scene, place, onPick, onHover) {
    this.scene = scene; this.place = place;
    this.svg = element("svg", { tabindex: 0, role: "slider", "aria-label": "residue", "aria-valuemin": 1,
      "aria-valuemax": scene.sequence.length, "aria-valuenow": 1 });
    place.append(this.svg);
    const at = event => {
      const i = Math.floor((event.clientX - this.svg.getBoundingClientRect().left) / COLUMN);
      return i >= 0 && i < scene.sequence.length ? i : null;
    };
    this.svg.addEventListener("click", event => { const i = at(event); if (i !== null) onPick(i); });
    this.svg.addEventListener("pointermove", event => onHover(at(event)));
    this.svg.addEventListener("pointerleave", () => onHover(null));
    this.svg.addEventListener("keydown", event => {
      const now = this.picked ?? -1, last = scene.sequence.length - 1;
      const next = { ArrowRight: now + 1, ArrowLeft: now - 1, PageDown: now + 10, PageUp: now - 10, Home: 0, End: last }[event.key];
      if (event.key === "Escape") onPick(null);
      if (next === undefined) return;
      event.preventDefault();
      onPick(Math.min(last, Math.max(0, next)));
    });
  }
  arcs(model, base, direction, reference) {
    const known = reference && new Set(reference.pairs.map(String)), group = element("g", { fill: "none", "stroke-width": 1.4 });
    const widest = Math.max(8, ...model.pairs.map(([i, j]) => j - i));
    for (const [i, j] of model.pairs) {
      // Higher the wider, so that nested arcs do not cross, and flatter than a circle, so that the widest find room.
      const [x, y] = [i, j].map(k => (k + 0.5) * COLUMN), reach = 90 * ((j - i) / widest) ** 0.7;
      const colour = !known ? "var(--accent)" : known.has(String([i, j])) ? "#2a9d6f" : "#d9662b";
      group.append(element("path", { d: `M${x} ${base} C${x} ${base - direction * reach * 1.3} ${y} ${base - direction * reach * 1.3} ${y} ${base}`, stroke: colour }));
    }
    return group;
  }
  draw(model) {
    const { scene, svg } = this, n = scene.sequence.length, top = 96, bars = 30, low = scene.native ? 96 : 8;
    const height = top + 18 + bars + low, letters = top + 13;
    svg.replaceChildren();
    svg.setAttribute("width", n * COLUMN); svg.setAttribute("height", height);
    this.cursors = ["picked", "hovered"].map(name => element("rect", { class: name, width: COLUMN, height, x: -99 }));
    svg.append(...this.cursors, this.arcs(model, top, 1, scene.native));
    for (let i = 0; i < n; i++) {
      const x = i * COLUMN;
      svg.append(element("text", { x: x + COLUMN / 2, y: letters, "text-anchor": "middle" }, scene.sequence[i]));
      if (model.confidence) {
        const size = bars * model.confidence[i] / 100;
        svg.append(element("rect", { x: x + 1, y: top + 18 + bars - size, width: COLUMN - 2, height: size, fill: band(model.confidence[i]) }));
      }
      if (i && scene.strands[i] !== scene.strands[i - 1]) svg.append(element("line", { x1: x, x2: x, y1: top, y2: top + 18, stroke: "currentColor" }));
    }
    if (scene.native) svg.append(this.arcs(scene.native, top + 18 + bars, -1, model));
  }
  mark(which, i) { this.cursors[which].setAttribute("x", i === null ? -99 : i * COLUMN); }
  select(i, words, follow) {
    this.picked = i;
    this.mark(0, i);
    if (i !== null) this.svg.setAttribute("aria-valuenow", i + 1);
    this.svg.setAttribute("aria-valuetext", words);
    if (i !== null && follow) this.place.scrollTo({ left: (i + 0.5) * COLUMN - this.place.clientWidth / 2 });
  }
}

// The matrix of residue pairs, dark where its value is small; a click picks both.
class Heat {
  constructor(scene, canvas, onPick, onHover) {
    this.scene = scene; this.canvas = canvas;
    const { size, values } = scene.matrix, image = new ImageData(size, size);
    for (let k = 0; k < values.length; k++) {
      const share = values[k] / 255;
      image.data.set([20 + 235 * share, 70 + 185 * share, 150 + 105 * share ** 2, 255], 4 * k);
    }
    this.image = document.createElement("canvas");
    this.image.width = this.image.height = size;
    this.image.getContext("2d").putImageData(image, 0, 0);
    const at = event => {
      const box = canvas.getBoundingClientRect(), n = scene.sequence.length;
      return [event.clientY - box.top, event.clientX - box.left].map(p => Math.max(0, Math.min(n - 1, Math.floor(n * p / box.width))));
    };
    canvas.addEventListener("click", event => { const [i, j] = at(event); onPick(i, j); });
    canvas.addEventListener("pointermove", event => { const [i, j] = at(event); onHover(j, this.words(i, j)); });
    canvas.addEventListener("pointerleave", () => onHover(null));
    this.draw(null, null);
  }
  words(i, j) {
    const { size, values, top, unit, name } = this.scene.matrix, n = this.scene.sequence.length;
    const value = values[Math.floor(i * size / n) * size + Math.floor(j * size / n)] * top / 255;
    return `${name} of ${i + 1} and ${j + 1}: ${value.toFixed(1)} ${unit}`;
  }
  draw(i, j) {
    const { canvas } = this, context = canvas.getContext("2d"), n = this.scene.sequence.length, size = canvas.width;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, 0, size, size);
    context.fillStyle = "rgba(217, 102, 43, .65)";
    const thick = Math.max(2, size / n);
    if (i !== null) context.fillRect(0, size * i / n, size, thick);
    if (j !== null) context.fillRect(size * j / n, 0, thick, size);
  }
}

// One scene at a time on a stage; the 3D view stays when the scene changes.
class Stage {
  constructor(place) {
    this.place = place; this.view = null; this.style = "cartoon"; this.withNative = true;
    for (const input of place.querySelectorAll("select, input")) input.addEventListener("change", () => this.chosen(input));
    this.find(".cif").addEventListener("click", () => download(this.file("cif"), mmcif(this.scene, this.model)));
    this.find(".csv").addEventListener("click", () => download(this.file("csv"), csv(this.scene, this.model)));
  }
  find(selector) { return this.place.querySelector(selector); }
  file(suffix) { return `${this.scene.id} ${this.model.name}.${suffix}`.replace(/[^\w.-]+/g, "_"); }
  async start() {
    await this.open(this.place.dataset.scenes.trim().split(" ")[0]);
    if (!document.getElementById("molstar-program")) return;
    try {
      this.view = await View.in(this.find(".view"), i => this.pick(i, null, this.view), i => this.hover(i));
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.view.recolour());
      await this.show();
    } catch (error) {
      this.view = null;
      this.find(".view").textContent = "This browser cannot draw in three dimensions: " + error.message;
    }
  }
  async open(id) {
    const scene = this.scene = read(await inflated(id)), choice = this.find("[name=model]");
    choice.replaceChildren(...scene.models.map((model, k) => element("option", { value: k }, model.name)));
    this.model = scene.models[0]; this.residue = null;
    this.find(".native").hidden = !scene.native;
    this.find(".track").replaceChildren();
    this.track = new Track(scene, this.find(".track"), i => this.pick(i, null, this.track), i => this.hover(i));
    this.find(".map").hidden = !scene.matrix;
    this.heat = scene.matrix && new Heat(scene, this.find("canvas.heat"), (i, j) => this.pick(i, j), (i, note) => this.hover(i, note));
    if (scene.matrix) this.find(".map figcaption").textContent =
      `${scene.matrix.name}, 0 (dark) to ${scene.matrix.top.toFixed(0)} ${scene.matrix.unit} (light), row by column.`;
    if (this.view) this.view.structure = null;
    await this.show();
  }
  chosen(input) {
    if (input.name === "scene") return this.open(input.value);
    if (input.name === "model") this.model = this.scene.models[input.value];
    if (input.name === "style") this.style = input.value;
    if (input.name === "native") this.withNative = input.checked;
    return this.show();
  }
  async show() {
    this.track.draw(this.model);
    this.find(".note").textContent = this.model.note;
    await this.view?.show(this.scene, this.model, this.style, this.withNative && this.scene.native);
    this.pick(this.residue);
    this.place.dataset.shown = `${this.scene.id} ${this.model.name}${this.view ? " in 3D" : ""}`;
  }
  words(i) {
    if (i === null) return "no residue picked";
    const { sequence } = this.scene, { confidence, partner } = this.model, other = partner.get(i);
    return `${sequence[i]}${i + 1}` + (confidence ? `, pLDDT ${confidence[i]}` : "") +
      (other === undefined ? ", unpaired" : `, paired with ${sequence[other]}${other + 1}`);
  }
  pick(i, j = null, from = null) {
    this.residue = i;
    this.find(".status").textContent = this.words(i);
    this.track.select(i, this.words(i), from !== this.track);
    this.heat?.draw(i, j ?? i);
    this.view?.select([i, j].filter(k => k !== null), from !== this.view);
  }
  hover(i, note = null) {
    this.track.mark(1, i);
    this.view?.mark(i === null ? [] : [i]);
    this.find(".status").textContent = note ?? this.words(i ?? this.residue);
  }
}
// A stage is set up when it comes near the window.
const watch = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) { watch.unobserve(target); new Stage(target).start(); }
}, { rootMargin: "200px" });
document.querySelectorAll("[data-scenes]").forEach(place => watch.observe(place));
})();
