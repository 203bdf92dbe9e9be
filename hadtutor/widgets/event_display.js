// Turns the pictures of EventDisplay: all with this id, starting from the view `home`.
//
// What turns carries its place in space as data-v. The rows of the matrix R point to the right, up, and to the reader,
// so R v is (x, y, depth); the picture's own y runs down. For the same R this draws what Python drew.
(function (key, home) {
const REACH = 160; // as in event_display.py
const dot = (p, q) => p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
const mix = (p, q, angle) => p.map((_, i) => Math.cos(angle) * p[i] + Math.sin(angle) * q[i]);

function place(node, x, y, depth) {
  const near = 0.5 + (0.5 * depth) / REACH;
  const values = {
    line: { x2: x, y2: -y, "stroke-width": 0.9 + 2 * near, opacity: 0.5 + 0.5 * near },
    text: { x: x, y: -y },
    ellipse: { rx: Math.abs(depth), transform: `rotate(${(Math.atan2(-y, x) * 180) / Math.PI})` },
  }[node.tagName];
  for (const name in values) node.setAttribute(name, values[name]);
}

function bringToLife(root) {
  const svg = root.querySelector("svg"), event = svg.querySelector(".event");
  const controls = root.querySelector(".controls"), [spin, reset] = controls.querySelectorAll("button");
  const marks = Array.from(svg.querySelectorAll("[data-v]"), (node) => (
    { node: node, v: node.getAttribute("data-v").split(" ").map(Number) }));
  const disc = marks.find((mark) => mark.node.tagName === "ellipse");
  let R = home, pointer = null, before = null;

  function draw() {
    for (const mark of marks) {
      mark.depth = dot(R[2], mark.v);
      place(mark.node, dot(R[0], mark.v), dot(R[1], mark.v), mark.depth);
    }
    // Back to front. All lines start in the middle of the disc, so each is wholly behind it or wholly before it.
    const layer = (mark) => (disc && mark !== disc ? Math.sign(dot(mark.v, disc.v) * disc.depth) : 0);
    const order = (mark) => 1000 * layer(mark) + (mark === disc ? 0 : mark.depth);
    marks.filter((mark) => mark.node.parentNode === event).sort((a, b) => order(a) - order(b))
      .forEach((mark) => event.appendChild(mark.node));
  }

  // By these angles [rad] the front moves to the right and up.
  function turn(right, up) {
    let [x, y, z] = R;
    [x, z] = [mix(x, z, right), mix(z, x, -right)];
    [y, z] = [mix(y, z, up), mix(z, y, -up)];
    R = [x, y, z];
    draw();
  }

  svg.tabIndex = 0;
  svg.style.touchAction = "none";
  svg.style.cursor = "grab";
  svg.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    pointer = [e.clientX, e.clientY];
    svg.setPointerCapture(e.pointerId);
  });
  svg.addEventListener("pointermove", (e) => {
    if (!pointer) return;
    const scale = 3 / svg.clientWidth; // from edge to edge: about half a turn
    turn(scale * (e.clientX - pointer[0]), scale * (pointer[1] - e.clientY));
    pointer = [e.clientX, e.clientY];
  });
  for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => { pointer = null; });
  svg.addEventListener("keydown", (e) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
    if (!steps || e.ctrlKey || e.altKey || e.metaKey) return;
    e.preventDefault(); // the page stays where it is
    turn((steps[0] * Math.PI) / 36, (steps[1] * Math.PI) / 36);
  });

  const spinning = () => spin.getAttribute("aria-pressed") === "true" && root.isConnected;
  function frame(now) {
    if (spinning()) requestAnimationFrame(frame);
    if (spinning() && before !== null) turn(0.0004 * (now - before), 0);
    before = spinning() ? now : null;
  }
  spin.addEventListener("click", () => {
    spin.setAttribute("aria-pressed", !spinning());
    if (spinning() && before === null) requestAnimationFrame(frame);
  });
  reset.addEventListener("click", () => {
    spin.setAttribute("aria-pressed", false);
    R = home;
    draw();
  });
  spin.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
  controls.hidden = false;
}

for (const root of document.querySelectorAll("#" + key)) {
  if (root.getAttribute("data-live")) continue; // the same event may be shown twice on a page
  root.setAttribute("data-live", "yes");
  bringToLife(root);
}
})
