#!/usr/bin/env bash
# Builds, tests and checks the app without Android Studio and without Google's Maven: TFLite, the
# framework and the dexer come from Maven Central, the other tools are Debian's, unpacked here and
# not installed. Writes build/lpie-demo.apk. Exits with 77, and says why, where that cannot be done.
#   android_demo/build.sh
set -euo pipefail
cd "$(dirname "$0")"
main=app/src/main
out=build/standalone
libraries=build/libraries
tools=build/tools
mkdir -p "$out" "$libraries" "$tools"

cannot() { echo "The Android app is not built: $*"; exit 77; }

setting() { sed -n "s/^ *$1 *=\{0,1\} *\([0-9]\+\)$/\1/p" app/build.gradle; }

fetch_libraries() {
    command -v mvn >/dev/null || cannot "Maven is not installed."
    command -v javac >/dev/null || cannot "a JDK is not installed."
    [[ -f "$libraries/json.jar" ]] && return
    timeout 300 mvn -q -B -f pom.xml dependency:copy -DoutputDirectory="$PWD/$libraries" \
        >"$out/mvn.log" || cannot "Maven says: $(grep -m1 ERROR "$out/mvn.log")"
    for archive in "$libraries"/*.aar; do
        mkdir -p "${archive%.aar}"
        (cd "${archive%.aar}" && jar -xf "../$(basename "$archive")")
    done
}

# Not installed, as Debian's aapt and its newer adb (backports) exclude each other.
fetch_tools() {
    [[ -x "$tools/usr/bin/aapt2" ]] && return
    command -v apt-get >/dev/null || cannot "aapt2 is fetched by apt-get, which is not here."
    source /etc/os-release
    local packages=(aapt zipalign dexdump apksigner libapksig-java p7zip-full libatomic1
        libexpat1 liblz4-1 libpng16-16 libprotobuf-lite32 libzopfli1) name
    for name in aapt androidfw art backtrace base cutils log nativebridge nativeloader utils \
        ziparchive; do packages+=("android-lib$name"); done
    (cd "$tools" && timeout 120 apt-get download -qq -o Acquire::http::Timeout=20 \
        "${packages[@]/%//$VERSION_CODENAME}") 2>"$out/apt.log" \
        || cannot "apt-get download failed: $(tail -1 "$out/apt.log")"
    for name in "$tools"/*.deb; do dpkg-deb -x "$name" "$tools"; done
}

# A Debian tool, with the libraries that it was built with.
tool() {
    local name=$1 lib=$PWD/$tools/usr/lib machine
    machine=$(uname -m)-linux-gnu
    shift
    LD_LIBRARY_PATH=$lib/$machine/android:$lib/$machine:$lib/p7zip:$lib:$PWD/$tools/lib/$machine \
        "$tools/usr/bin/$name" "$@"
}

signer() { java -jar "$tools/usr/share/java/apksigner.jar" "$@"; }

# The model that `lpie export --into-app` left, or the pretrained one.
gather_assets() {
    rm -rf "$out/assets"
    mkdir -p "$out/assets"
    if [[ -f $main/assets/model.tflite ]]; then
        cp $main/assets/model* "$out/assets"
    else
        cp ../lpie/weights/denoise.tflite "$out/assets/model.tflite"
    fi
}

# Without Android on the class path: nothing in core may need it.
test_core() {
    rm -rf "$out/core" "$out/tests"
    mkdir -p "$out/core" "$out/tests"
    compile "$out/core" "$libraries/json.jar" $main/java/org/lpie/demo/core
    local path=$out/core:$libraries/json.jar:$libraries/junit.jar:$libraries/hamcrest-core.jar
    compile "$out/tests" "$path" app/src/test/java
    java -cp "$out/tests:$path" -Dgolden=../tests/golden -Dmodels=../lpie/weights \
        -Dout="$out" org.junit.runner.JUnitCore \
        $(cd app/src/test/java && find . -name '*Test.java' | sed 's|^\./||; s|/|.|g; s|\.java$||')
}

# compile FOLDER CLASSPATH SOURCE...; Java 8 and no lambdas: the dexer knows no more.
compile() {
    local into=$1 path=$2
    shift 2
    javac --release 8 -Xlint:all,-options,-classfile,-deprecation,-serial -Werror -g \
        -d "$into" -cp "$path" $(find "$@" -name '*.java') 2>&1 | { grep -v '^Note:' || true; }
}

compile_app() {
    rm -rf "$out/gen" "$out/classes"
    mkdir -p "$out/gen" "$out/classes"
    sed 's|\${applicationId}|org.lpie.demo|; s|<manifest |&package="org.lpie.demo" |' \
        $main/AndroidManifest.xml >"$out/AndroidManifest.xml"
    tool aapt2 compile --dir $main/res -o "$out/res.zip"
    # Debian's aapt2 is older than <uses-native-library>, which it takes with a warning.
    tool aapt2 link --warn-manifest-validation -I "$libraries/android-34.jar" \
        --manifest "$out/AndroidManifest.xml" --java "$out/gen" -A "$out/assets" -0 .tflite \
        --min-sdk-version "$(setting minSdk)" --target-sdk-version "$(setting targetSdk)" \
        --version-code 1 --version-name "$(sed -n 's/^version = //p' ../setup.cfg)" \
        -o "$out/unsigned.apk" "$out/res.zip" 2>"$out/aapt2.log" \
        || { cat "$out/aapt2.log"; exit 1; }
    compile "$out/classes" \
        "$libraries/android-34.jar:$(echo "$libraries"/*/classes.jar | tr ' ' ':')" \
        $main/java "$out/gen"
    java -cp "$libraries/dalvik-dx.jar" com.android.dx.command.Main --dex \
        --min-sdk-version="$(setting minSdk)" --output="$out/classes.dex" \
        "$out/classes" "$libraries"/*/classes.jar
}

pack() {
    local folder abi
    rm -rf "$out/lib"
    for folder in "$libraries"/*/jni; do
        for abi in arm64-v8a x86_64; do
            mkdir -p "$out/lib/$abi"
            cp "$folder/$abi/"*.so "$out/lib/$abi"
        done
    done
    jar -uMf "$out/unsigned.apk" -C "$out" classes.dex
    jar -uM0f "$out/unsigned.apk" -C "$out" lib
    tool zipalign -f -p 4 "$out/unsigned.apk" "$out/aligned.apk"
    # A key for trying the app out, made once.
    [[ -f build/debug.jks ]] || keytool -genkeypair -keystore build/debug.jks -storepass android \
        -keypass android -alias debug -keyalg RSA -validity 10000 -dname CN=debug >/dev/null 2>&1
    signer sign --ks build/debug.jks --ks-pass pass:android --out build/lpie-demo.apk \
        "$out/aligned.apk"
}

check() {
    tool zipalign -c -p 4 build/lpie-demo.apk
    signer verify --min-sdk-version "$(setting minSdk)" build/lpie-demo.apk
    tool aapt dump badging build/lpie-demo.apk >"$out/badging.txt"
    tool dexdump "$out/classes.dex" >"$out/dexdump.txt"
    # javac makes one of each lambda, which no Android can do, and dx lets it pass.
    if grep -q invoke-custom "$out/dexdump.txt"; then
        echo "The app has a lambda, which this build's dexer does not translate."
        exit 1
    fi
}

fetch_libraries
fetch_tools
test_core
gather_assets
compile_app
pack
check
echo "android_demo/build/lpie-demo.apk: $(stat -c %s build/lpie-demo.apk) bytes, verified."
