// Reads objects as JSON from standard input and prints what the schemas of their kinds say against them.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const packages = { "keda.sh": "keda", "monitoring.coreos.com": "prometheus-operator", "gateway.networking.k8s.io": "gateway-api" };
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const [group, version] = object.apiVersion.split("/");
  const folder = join(process.argv[2], "node_modules/@kubernetes-models", packages[group], group, version);
  const models = await import(join(folder, "index.js"));
  const model = (models.default ?? models)[object.kind] ?? models[object.kind];
  try {
    new model(object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message}`);
  }
}
