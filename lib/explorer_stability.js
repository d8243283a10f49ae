(() => {
  "use strict";
  const root = document.currentScript.closest(".stability-picture");
  const start = JSON.parse(root.dataset.start);
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const [[a, b], [c, d]] = start.jacobian;
  const scale = 80;
  const image = ([x, y]) => [a * x + b * y, c * x + d * y];
  const state = { epsilon: start.epsilon, angle: start.angle };

  const place = (element, [x, y], centre) => {
    element.setAttribute("x2", centre + scale * x);
    element.setAttribute("y2", 125 - scale * y);
  };

  function draw() {
    const { epsilon, angle } = state;
    const turn = (degrees) => [epsilon * Math.cos((degrees * Math.PI) / 180), epsilon * Math.sin((degrees * Math.PI) / 180)];
    part("disc").setAttribute("r", scale * epsilon);
    const edge = Array.from({ length: 73 }, (_, k) => image(turn(5 * k)));
    part("ellipse").setAttribute("points", edge.map(([x, y]) => `${450 + scale * x},${125 - scale * y}`).join(" "));
    const step = turn(angle);
    const change = image(step);
    place(part("step"), step, 150);
    place(part("change"), change, 450);
    part("handle").setAttribute("cx", 150 + scale * step[0]);
    part("handle").setAttribute("cy", 125 - scale * step[1]);
    part("epsilon").value = epsilon;
    part("angle").value = angle;
    const length = Math.hypot(...change);
    root.querySelector("output").textContent =
      `this step moves the output by ${length.toFixed(2)}; all steps together, on average, P = ${(start.stability * epsilon).toFixed(2)}`;
  }

  part("epsilon").addEventListener("input", (event) => { state.epsilon = Number(event.target.value); draw(); });
  part("angle").addEventListener("input", (event) => { state.angle = Number(event.target.value); draw(); });
  const svg = root.querySelector("svg");
  const follow = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 600 - 150;
    const y = 125 - ((event.clientY - box.top) / box.height) * 230;
    state.epsilon = Math.min(1, Math.max(0.1, Math.hypot(x, y) / scale));
    state.angle = ((Math.atan2(y, x) * 180) / Math.PI + 360) % 360;
    draw();
  };
  part("handle").addEventListener("pointerdown", (event) => {
    part("handle").setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  part("handle").addEventListener("pointermove", (event) => {
    if (part("handle").hasPointerCapture(event.pointerId)) follow(event);
  });
  draw();
})();
