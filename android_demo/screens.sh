#!/usr/bin/env bash
# Runs the app that build.sh compiled on this computer, on Android's own framework code and drawing
# (Robolectric), and draws its screens into build/screens. TFLite's native library, made for phones,
# is the one thing replaced: by this computer's ai-edge-litert. Exits with 77, and says why, where
# that cannot be done.
#   android_demo/screens.sh [PYTHON]
set -euo pipefail
python=$(command -v "${1:-$(dirname "$0")/../.venv/bin/python}" || true)
[[ -n "$python" ]] && python=$(realpath -s "$python")
cd "$(dirname "$0")"
built=$PWD/build/standalone
libraries=build/libraries
robolectric=build/robolectric
out=build/screens

cannot() { echo "The app's screens are not drawn: $*"; exit 77; }

fetch_robolectric() {
    compgen -G "$robolectric/lib/robolectric-*.jar" >/dev/null && return
    timeout 300 mvn -q -B -f screens/pom.xml dependency:copy-dependencies \
        -DoutputDirectory="$PWD/$robolectric/lib" >"$out/mvn.log" \
        || cannot "Maven says: $(grep -m1 ERROR "$out/mvn.log")"
    # The framework is not for the class path: Robolectric loads it by its name.
    mv "$robolectric"/lib/android-all-instrumented-*.jar "$robolectric"
}

compile_screens() {
    rm -rf "$robolectric"/{stubs,classes,config}
    mkdir -p "$robolectric"/{stubs,classes,config/com/android/tools}
    local package name body
    while read -r package name body; do
        mkdir -p "$robolectric/stubs/${package//.//}"
        echo "package $package; $body" >"$robolectric/stubs/${package//.//}/$name.java"
    done < <(grep -v '^#' screens/androidx.txt)
    javac -nowarn -Xlint:none -d "$robolectric/classes" -cp "$path" \
        $(find "$robolectric/stubs" screens/java -name '*.java')
    cat >"$robolectric/config/com/android/tools/test_config.properties" <<END
android_resource_apk=$built/unsigned.apk
android_merged_manifest=$built/AndroidManifest.xml
android_merged_assets=$built/assets
android_custom_package=org.lpie.demo
END
}

[[ -f build/lpie-demo.apk ]] || cannot "build.sh has built no app."
"$python" -c 'import ai_edge_litert, skimage' 2>/dev/null \
    || cannot "there is no Python with ai-edge-litert and scikit-image (make setup)."
mkdir -p "$out" "$robolectric"
fetch_robolectric
# The order counts: our Interpreter before TFLite's, and the framework last, for names only.
path=$robolectric/classes:$robolectric/config:$built/classes
path+=:$(echo "$robolectric"/lib/*.jar "$libraries"/{junit,hamcrest-core}.jar \
    "$libraries"/*/classes.jar "$libraries/android-34.jar" | tr ' ' ':')
compile_screens
"$python" screens/photo.py "$out/noisy.png"
# What Robolectric looks into on a Java newer than 8.
opens=()
for name in io lang lang.reflect net nio util; do
    opens+=("--add-opens=java.base/java.$name=ALL-UNNAMED")
done
timeout 300 java -Xmx2g "${opens[@]}" -Drobolectric.offline=true \
    -Drobolectric.dependency.dir="$PWD/$robolectric" -Dpython="$python" \
    -Dinterpreter=screens/interpreter.py -Dout="$out" -cp "$path" \
    org.junit.runner.JUnitCore org.lpie.demo.ScreensTest org.lpie.demo.BenchmarkScreenTest
