#!/usr/bin/env python3
"""Writes frameworks.txt: the names of what macOS' frameworks export, as public Rust crates declare them.

A crate that declares C functions for Rust has to say their names and where they are. What is taken from the crates is that and
nothing else. The crates come by cargo, into a folder that is removed again:

    checks/frameworks.py
"""

import collections
import json
import pathlib
import re
import subprocess
import tempfile

DATA = pathlib.Path(__file__).parent.parent / "crates/cross-flake/data/clang"

# Crates, and the framework of those of their declarations that name none. Of crates that these need, and of those without a
# framework here, only declarations that name one are taken.
CRATES = {
    "cgl": "OpenGL",
    "cocoa": "AppKit",
    "cocoa-foundation": "Foundation",
    "core-foundation-sys": "CoreFoundation",
    "core-graphics": "CoreGraphics",
    "core-text": "CoreText",
    "coremidi": None,
    "enigo": None,
    "fsevent-sys": "CoreServices",
    "global-hotkey": None,
    "iana-time-zone": "CoreFoundation",
    "io-kit-sys": "IOKit",
    "IOKit-sys": "IOKit",
    "metal": "Metal",
    "netdev": None,
    "nusb": None,
    "objc2-app-kit": "AppKit",
    "objc2-application-services": "ApplicationServices",
    "objc2-audio-toolbox": "AudioToolbox",
    "objc2-authentication-services": "AuthenticationServices",
    "objc2-av-foundation": "AVFoundation",
    "objc2-avf-audio": "AVFAudio",
    "objc2-cf-network": "CFNetwork",
    "objc2-color-sync": "ColorSync",
    "objc2-core-audio": "CoreAudio",
    "objc2-core-bluetooth": "CoreBluetooth",
    "objc2-core-data": "CoreData",
    "objc2-core-foundation": "CoreFoundation",
    "objc2-core-graphics": "CoreGraphics",
    "objc2-core-image": "CoreImage",
    "objc2-core-location": "CoreLocation",
    "objc2-core-media": "CoreMedia",
    "objc2-core-midi": "CoreMIDI",
    "objc2-core-services": "CoreServices",
    "objc2-core-text": "CoreText",
    "objc2-core-video": "CoreVideo",
    "objc2-core-wlan": "CoreWLAN",
    "objc2-disk-arbitration": "DiskArbitration",
    "objc2-foundation": "Foundation",
    "objc2-game-controller": "GameController",
    "objc2-image-io": "ImageIO",
    "objc2-io-kit": "IOKit",
    "objc2-io-surface": "IOSurface",
    "objc2-javascript-core": "JavaScriptCore",
    "objc2-local-authentication": "LocalAuthentication",
    "objc2-metal": "Metal",
    "objc2-metal-kit": "MetalKit",
    "objc2-open-directory": "OpenDirectory",
    "objc2-open-gl": "OpenGL",
    "objc2-quartz-core": "QuartzCore",
    "objc2-screen-capture-kit": "ScreenCaptureKit",
    "objc2-security": "Security",
    "objc2-service-management": "ServiceManagement",
    "objc2-system-configuration": "SystemConfiguration",
    "objc2-uniform-type-identifiers": "UniformTypeIdentifiers",
    "objc2-user-notifications": "UserNotifications",
    "objc2-video-toolbox": "VideoToolbox",
    "objc2-web-kit": "WebKit",
    "rdev": None,
    "security-framework-sys": "Security",
    "serialport": None,
    "starship-battery": None,
    "sysinfo": "IOKit",
    "system-configuration-sys": "SystemConfiguration",
    "winit": None,
}

# Names that they take from elsewhere.
OTHERS = {"dlclose", "dlerror", "dlopen", "dlsym", "emscripten_run_script_string", "getifnum", "mach_host_self"} | {
    "mach_task_self_", "pthread_main_np", "sysctlbyname", "__CFStringMakeConstantString"
}
# Where names are that crates look for through a framework that reexports another. Cocoa has none of its own.
REEXPORTED = {"UCKeyTranslate": "CoreServices", "LMGetKbdType": "CoreServices"}

ATTRIBUTES = r"((?:#\[[^\]]*\]\s*)*)"
BLOCK = re.compile(ATTRIBUTES + r'(?:pub\s+)?(?:unsafe\s+)?extern\s+"C(?:-unwind)?"\s*\{')
ITEM = re.compile(ATTRIBUTES + r"(?:pub(?:\([^)]*\))?\s+)?(?:safe\s+|unsafe\s+)?(?:fn|static(?:\s+mut)?)\s+(\w+)\s*[(:<]")
CLASS = re.compile(r"extern_class!\s*\(\s*" + ATTRIBUTES + r"pub struct (\w+)")


def body(text, at):
    """What stands between the brace at this place and its partner."""
    depth = 0
    for end in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[at + 1 : end]
    return ""


def declarations(text, framework):
    """The framework and the name of each thing that a file declares."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)
    for found in BLOCK.finditer(text):
        link = re.search(r'\blink\s*\(\s*name\s*=\s*"(\w+)"\s*,\s*kind\s*=\s*"framework"', found[1])
        if "link(" in found[1].replace(" ", "") and not link:
            continue  # A library, not a framework.
        for item in ITEM.finditer(body(text, found.end() - 1)):
            other = re.search(r'link_name\s*=\s*"([^"]+)"', item[1])
            yield (link[1] if link else framework), (other[1] if other else item[2])
    for found in CLASS.finditer(text):
        other = re.search(r'#\[name = "(\w+)"\]', found[1])
        yield framework, "class " + (other[1] if other else found[2])


def sources():
    """The folder of each crate and its name."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = pathlib.Path(folder, "Cargo.toml")
        (pathlib.Path(folder) / "lib.rs").touch()
        dependencies = "".join(f'{crate} = "*"\n' for crate in CRATES)
        manifest.write_text(
            '[package]\nname = "names"\nversion = "0.0.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n'
            "[dependencies]\n" + dependencies
        )
        command = ["cargo", "metadata", "--format-version", "1", "--manifest-path", manifest]
        packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
        for package in packages:
            yield pathlib.Path(package["manifest_path"]).parent, package["name"]


def main():
    # The crates of objc2 are made from Apple's headers, and so know in which framework a thing is. In others it may be one that
    # reexports another's, and a program that looks for a name in the wrong framework does not start.
    frameworks, known = collections.defaultdict(set), set()
    crates = list(sources())
    for generated in (True, False):
        found = collections.defaultdict(set)
        for folder, crate in crates:
            if crate.startswith("objc2-") != generated:
                continue
            for file in (folder / "src").rglob("*.rs"):
                for framework, name in declarations(file.read_text(), CRATES.get(crate)):
                    if framework and name not in known and (generated or name not in OTHERS):
                        found[REEXPORTED.get(name, framework)].add(name)
        for framework, names in found.items():
            frameworks[framework] |= names
            known |= names
    with open(DATA / "frameworks.txt", "w") as out:
        out.write("# Written by frameworks.py: what the frameworks of macOS export, as far as Rust crates declare it.\n")
        for framework, names in sorted(frameworks.items()):
            if framework == "Cocoa":
                continue
            out.write(f"\nstub {framework}\n")
            out.writelines(f"{name}\n" for name in sorted(names))


main()
