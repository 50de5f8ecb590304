#!/bin/sh
# Answers what Apple's xcrun is asked by rustc, cc and others: where the SDK is.
SYSROOT=@SYSROOT@
sdk=$SYSROOT
[ ! -e "${SDKROOT:-}/usr/lib/libSystem.tbd" ] || sdk=$SDKROOT
for word do
    case $word in
    --show-sdk-path | -show-sdk-path) echo "$sdk"; exit ;;
    --show-sdk-version | -show-sdk-version | --show-sdk-platform-version | -show-sdk-platform-version)
        sed -n 's/.*"Version" *: *"\([0-9.]*\)".*/\1/p' "$sdk/SDKSettings.json" | head -n 1
        exit
        ;;
    esac
done
echo "xcrun: cross-flake's knows --show-sdk-path and --show-sdk-version only" >&2
exit 1
