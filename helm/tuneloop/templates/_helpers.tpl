{{- define "tuneloop.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tuneloop.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "tuneloop.selector" . }}
{{- end }}

{{- define "tuneloop.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tuneloop.secret" -}}
{{- .Values.secret.existing | default (include "tuneloop.name" .) }}
{{- end }}

{{- define "tuneloop.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "tuneloop.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "tuneloop.claim" -}}
{{- with .Values.objects.volume }}{{ .claim | default (ternary (printf "%s-objects" (include "tuneloop.name" $)) "" .create) }}{{ end }}
{{- end }}

{{- /* What must be right before anything is rendered; each message says what to do. */ -}}
{{- define "tuneloop.check" -}}
{{- $claim := include "tuneloop.claim" . }}
{{- if not .Values.publicUrl }}{{ fail "publicUrl is empty: give the address by which browsers, Slack and Stripe reach Tuneloop, such as https://tuneloop.example.com" }}{{ end }}
{{- if not .Values.image.repository }}{{ fail "image.repository is empty: give the registry and name under which you pushed the images, without -web" }}{{ end }}
{{- if and .Values.objects.url $claim }}{{ fail "objects.url and objects.volume are both given: choose one" }}{{ end }}
{{- if not (or .Values.objects.url $claim) }}{{ fail "no object store: give objects.url (s3://…), or objects.volume with a claim or create: true" }}{{ end }}
{{- if and $claim (ne .Values.objects.volume.accessMode "ReadWriteMany") (not .Values.objects.volume.oneNode) }}{{ fail "objects.volume.accessMode is not ReadWriteMany, so pods on other nodes could not start: use ReadWriteMany, or set objects.volume.oneNode to keep all pods on one node" }}{{ end }}
{{- if and .Values.secret.existing .Values.secret.values }}{{ fail "secret.existing and secret.values are both given: put the values into the existing Secret" }}{{ end }}
{{- if and (or .Values.postgresql.enabled .Values.valkey.enabled) (eq .Values.migrations.mode "hook") }}{{ fail "migrations.mode is hook, which runs before this chart's own engines exist: set migrations.mode to job" }}{{ end }}
{{- if not .Values.secret.existing }}
{{- if not (or .Values.postgresql.enabled (and (index .Values.secret.values "database-url") (index .Values.secret.values "migration-url"))) }}{{ fail "no database: set secret.values.database-url (a role that owns nothing) and secret.values.migration-url (the owner), secret.existing, or postgresql.enabled" }}{{ end }}
{{- if not (or .Values.valkey.enabled (index .Values.secret.values "broker-url")) }}{{ fail "no broker: set secret.values.broker-url, secret.existing, or valkey.enabled" }}{{ end }}
{{- else if .Values.postgresql.enabled }}{{ fail "postgresql.enabled needs the Secret that the chart makes: leave secret.existing empty, or use a database of your own" }}
{{- end }}
{{- range $name, $pool := .Values.workers }}
{{- if and $pool.scaling.enabled (lt (int $pool.scaling.maxReplicas) (int $pool.scaling.minReplicas)) }}{{ fail (printf "workers.%s.scaling: maxReplicas is below minReplicas" $name) }}{{ end }}
{{- end }}
{{- if and .Values.web.autoscaling.enabled (lt (int .Values.web.autoscaling.maxReplicas) (int .Values.web.autoscaling.minReplicas)) }}{{ fail "web.autoscaling: maxReplicas is below minReplicas" }}{{ end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}{{ fail "gateway.enabled needs gateway.parentRefs: name the Gateway that the routes attach to" }}{{ end }}
{{- end }}

{{- define "tuneloop.image" -}}
{{- $root := index . 0 }}{{- $role := index . 1 -}}
{{ printf "%s-%s:%s" $root.Values.image.repository $role ($root.Values.image.tag | default $root.Chart.AppVersion) }}
{{- end }}

{{- /* A container's environment: what is no secret from the ConfigMap, what is from the Secret. */ -}}
{{- define "tuneloop.env" -}}
{{- $secret := include "tuneloop.secret" . -}}
{{- $keys := dict "TUNELOOP_DATABASE_URL" "database-url" "TUNELOOP_BROKER_URL" "broker-url" "TUNELOOP_SECRET_KEY" "secret-key" "TUNELOOP_SERVE_TOKEN" "serve-token" "TUNELOOP_METRICS_TOKEN" "metrics-token" -}}
{{- range $variable, $key := merge (dict) .Values.secret.more $keys }}
- name: {{ $variable }}
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ $key }} } }
{{- end }}
{{- end }}

{{- define "tuneloop.envFrom" -}}
- configMapRef: { name: {{ include "tuneloop.name" . }} }
{{- with .Values.objects.credentialsSecret }}
- secretRef: { name: {{ . }} }
{{- end }}
{{- end }}

{{- define "tuneloop.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "tuneloop.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "tuneloop.mounts" -}}
- { name: scratch, mountPath: /data }
- { name: tmp, mountPath: /tmp }
{{- if include "tuneloop.claim" . }}
- { name: objects, mountPath: /objects }
{{- end }}
{{- end }}

{{- define "tuneloop.volumes" -}}
- name: scratch
  emptyDir: { sizeLimit: {{ .Values.scratch.sizeLimit }} }
- name: tmp
  emptyDir: { sizeLimit: 2Gi }
{{- with include "tuneloop.claim" . }}
- name: objects
  persistentVolumeClaim: { claimName: {{ . }} }
{{- end }}
{{- end }}

{{- /* Where pods go. Arguments: root, the part's own values, its labels. The part's own keys win over `pod`. */ -}}
{{- define "tuneloop.placement" -}}
{{- $root := index . 0 }}{{- $own := index . 1 }}{{- $part := index . 2 }}
{{- $pod := $root.Values.pod }}
{{- with $own.nodeSelector | default $pod.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations | default $pod.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.priorityClassName | default $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.runtimeClassName | default $pod.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- $affinity := deepCopy ($own.affinity | default $pod.affinity | default dict) }}
{{- if and $root.Values.objects.volume.oneNode (include "tuneloop.claim" $root) }}
{{- $together := dict "labelSelector" (dict "matchLabels" (include "tuneloop.selector" $root | fromYaml)) "topologyKey" "kubernetes.io/hostname" }}
{{- $affinity = mustMergeOverwrite (dict "podAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $together))) $affinity }}
{{- end }}
{{- with $affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: { matchLabels: {{ include "tuneloop.selector" $root | fromYaml | merge (dict "app.kubernetes.io/component" $part) | toJson }} }
{{- end }}

{{- /*
One Deployment. Argument: a dictionary of
  root, name (component), values (the part's own), image (role), args (command line),
  port (0: none), path (of probes), replicas (null where something scales), strategy, extra (further container keys)
*/ -}}
{{- define "tuneloop.deployment" -}}
{{- $root := .root }}{{- $own := .values }}
{{- $labels := include "tuneloop.selector" $root | fromYaml | merge (dict "app.kubernetes.io/component" .name) }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "tuneloop.name" $root }}-{{ .name }}
  labels: {{- include "tuneloop.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  {{- if not (kindIs "invalid" .replicas) }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy: {{- .strategy | default (dict "type" "RollingUpdate" "rollingUpdate" (dict "maxUnavailable" 0 "maxSurge" 1)) | toYaml | nindent 4 }}
  selector: { matchLabels: {{ $labels | toJson }} }
  template:
    metadata:
      labels: {{- include "tuneloop.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
        {{- with $root.Values.pod.labels }}{{- toYaml . | nindent 8 }}{{- end }}
      annotations:
        checksum/settings: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
        {{- if not $root.Values.secret.existing }}
        checksum/secret: {{ $root.Values.secret.values | toJson | sha256sum }}
        {{- end }}
        {{- with merge (dict) ($own.podAnnotations | default dict) $root.Values.pod.annotations }}{{- toYaml . | nindent 8 }}{{- end }}
    spec:
      serviceAccountName: {{ include "tuneloop.serviceAccount" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $own.terminationGracePeriodSeconds | default 60 }}
      securityContext: {{- include "tuneloop.podSecurity" $root | nindent 8 }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "tuneloop.placement" (list $root $own .name) | nindent 6 }}
      initContainers:
        - name: schema
          image: {{ include "tuneloop.image" (list $root .image) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [migrate, --wait]
          env: {{- include "tuneloop.env" $root | nindent 12 }}
          envFrom: {{- include "tuneloop.envFrom" $root | nindent 12 }}
          securityContext: {{- include "tuneloop.containerSecurity" $root | nindent 12 }}
          resources: { requests: { cpu: 50m, memory: 128Mi }, limits: { memory: 512Mi } }
          volumeMounts: {{- include "tuneloop.mounts" $root | nindent 12 }}
      containers:
        - name: {{ .name }}
          image: {{ include "tuneloop.image" (list $root .image) }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ .args | toJson }}
          env: {{- include "tuneloop.env" $root | nindent 12 }}
            {{- range $variable, $value := .variables }}
            - { name: {{ $variable }}, value: {{ $value | quote }} }
            {{- end }}
          envFrom: {{- include "tuneloop.envFrom" $root | nindent 12 }}
          ports:
            - { name: http, containerPort: {{ .port }} }
          startupProbe: { httpGet: { path: /healthz, port: http }, periodSeconds: 2, failureThreshold: {{ div (.startSeconds | default 120) 2 }} }
          livenessProbe: { httpGet: { path: /healthz, port: http }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
          readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 5, timeoutSeconds: 5 }
          securityContext: {{- include "tuneloop.containerSecurity" $root | nindent 12 }}
          resources: {{- toYaml $own.resources | nindent 12 }}
          volumeMounts: {{- include "tuneloop.mounts" $root | nindent 12 }}
            {{- if $own.shm }}
            - { name: shm, mountPath: /dev/shm }
            {{- end }}
      volumes: {{- include "tuneloop.volumes" $root | nindent 8 }}
        {{- if $own.shm }}
        - name: shm
          emptyDir: { medium: Memory, sizeLimit: {{ $own.shm }} }
        {{- end }}
{{- end }}
