#!/bin/bash -eu
# Builds every fuzz target with cargo-fuzz, which the image has, and puts it where ClusterFuzzLite looks, with seeds and dictionary.
cargo fuzz build --release --debug-assertions
binaries=target/x86_64-unknown-linux-gnu/release
"$binaries/seeds" .
for seeds in corpus/*; do
    target=$(basename "$seeds")
    cp "$binaries/$target" "$OUT/"
    cp "dictionaries/$target.dict" "$OUT/"
    zip -jqr "$OUT/${target}_seed_corpus.zip" "$seeds"
done
