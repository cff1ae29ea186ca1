// Turnable 3D pictures for the report: one canvas, one camera, as many models side by side as are given.
// Bundled with three.js into viewer.min.js by `npm install && npm run build` in this folder.
import {
  AmbientLight, Box3, Color, DirectionalLight, HemisphereLight, PerspectiveCamera, Scene, SRGBColorSpace, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

const SEEN = 35; // degrees of view, up and down or left and right, whichever is narrower

function bytes(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;
}

async function sceneOf(base64) {
  const model = (await new GLTFLoader().parseAsync(bytes(base64), "")).scene;
  const box = new Box3().setFromObject(model);
  model.position.sub(box.getCenter(new Vector3()));
  const scene = new Scene();
  scene.background = new Color("#e6e6e6");
  scene.add(model, new HemisphereLight(0xffffff, 0x777777, 1.6), new AmbientLight(0xffffff, 0.4));
  return scene;
}

/** Shows GLBs (base64) side by side on `canvas`, turned together; returns a function that stops it. */
export async function show(canvas, models) {
  const renderer = new WebGLRenderer({ canvas, antialias: true });
  renderer.outputColorSpace = SRGBColorSpace;
  renderer.setPixelRatio(window.devicePixelRatio);
  renderer.setScissorTest(true);
  const camera = new PerspectiveCamera(SEEN, 1, 0.01, 20);
  camera.position.set(0.9, 0.6, 1.5);
  const headlight = new DirectionalLight(0xffffff, 1.4);
  const controls = new OrbitControls(camera, canvas);
  controls.autoRotate = true;
  controls.enableDamping = true;
  const scenes = await Promise.all(models.map(sceneOf));
  let running = true;
  function frame() {
    if (!running) return;
    const width = canvas.clientWidth, height = canvas.clientHeight, each = width / scenes.length;
    if (canvas.width !== Math.floor(width * window.devicePixelRatio)) renderer.setSize(width, height, false);
    camera.aspect = each / height;
    camera.fov = (360 / Math.PI) * Math.atan(Math.tan((SEEN * Math.PI) / 360) / Math.min(1, camera.aspect)); // a narrow window sees as much to its sides as a wide one
    camera.updateProjectionMatrix();
    controls.update();
    scenes.forEach((scene, i) => {
      headlight.position.copy(camera.position);
      scene.add(headlight);
      renderer.setViewport(i * each, 0, each, height);
      renderer.setScissor(i * each, 0, each, height);
      renderer.render(scene, camera);
    });
    requestAnimationFrame(frame);
  }
  frame();
  return () => {
    running = false;
    controls.dispose();
    renderer.dispose();
  };
}
