// Runs a firmware of the Raspberry Pi Pico in rp2040js and prints what comes out of its first serial port.
// It ends with the line that ends a self-test: 0 if that passed, 1 if not.
//
//     node tools/rp2040.mjs FOLDER FIRMWARE
//
// FOLDER is where npm put rp2040js (tools/mcu-toolchain: target/mcu/node). The boot ROM, which is not ours to
// have, is left out: the processor starts at the firmware's vectors, behind the second stage of booting, whose
// work the emulated flash does not need.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [folder, firmware] = process.argv.slice(2);
const { Simulator } = createRequire(path.resolve(folder, "package.json"))("rp2040js");

const FLASH = 0x10000000;
const VECTORS = FLASH + 0x100;

const simulator = new Simulator();
const { core, flash, uart } = simulator.rp2040;
const elf = fs.readFileSync(firmware);
// The program headers of a 32-bit ELF file: what is loaded, and from where in the flash.
for (let number = 0; number < elf.readUInt16LE(44); number++) {
  const at = elf.readUInt32LE(28) + number * elf.readUInt16LE(42);
  const [type, offset, , physical, size] = [0, 4, 8, 12, 16].map((field) => elf.readUInt32LE(at + field));
  if (type === 1 && size > 0) flash.set(elf.subarray(offset, offset + size), physical - FLASH);
}
const vector = (number) => Buffer.from(flash.buffer, flash.byteOffset).readUInt32LE(VECTORS - FLASH + 4 * number);
core.VTOR = VECTORS;
core.SP = vector(0);
core.PC = vector(1) & ~1;

let line = "";
uart[0].onByte = (byte) => {
  process.stdout.write(Buffer.from([byte]));
  line = byte === 10 ? "" : line + String.fromCharCode(byte);
  if (line === "self-test passed\r") process.exitCode = 0;
  else if (line === "self-test FAILED\r") process.exitCode = 1;
  else return;
  simulator.stop();
};
simulator.execute();
