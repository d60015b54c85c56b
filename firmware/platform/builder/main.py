"""SCons script of the project-local platform: compile with zig or gcc, link with the target's script, upload."""

from os.path import join
from shutil import which

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
here = env.PioPlatform().get_dir()
python = '"%s"' % env.subst("$PYTHONEXE")

toolchain = env.GetProjectOption("custom_toolchain", "zig")
if toolchain == "auto":
    toolchain = "gcc" if which("arm-none-eabi-gcc") else "zig"

# The flags that cpcc measured and verified with; see cpcc/toolchains.py.
flags = [board.get("build.cpcc_level"), "-std=c99", "-Wall", "-Wextra", "-ffreestanding", "-fomit-frame-pointer", "-ffunction-sections",
         "-fdata-sections", "-ffp-contract=off"]  # fmt: skip
link = ["-Wl,--gc-sections", "-Wl,-e,Reset_Handler", "-Wl,-T,%s" % join(here, "target.ld")]
if toolchain == "gcc":
    machine = board.get("build.gcc_flags").split()
    link += ["-nostartfiles", "-nostdlib"]
    libraries = ["gcc"]
    env.Replace(AR="arm-none-eabi-ar", AS="arm-none-eabi-gcc", CC="arm-none-eabi-gcc", LINK="arm-none-eabi-gcc",
                RANLIB="arm-none-eabi-ranlib")  # fmt: skip
elif toolchain == "zig":
    machine = ["-target", board.get("build.zig_triple"), "-mcpu=" + board.get("build.zig_cpu")]
    flags += ["-fno-unroll-loops", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fno-sanitize=undefined", "-g0"]
    libraries = []
    zig = python + " -m ziglang "
    env.Replace(AR=zig + "ar", AS=zig + "cc", CC=zig + "cc", LINK=zig + "cc", RANLIB=zig + "ranlib")
else:
    raise SystemExit("platformio.ini: custom_toolchain = %s; supported: zig, gcc, auto" % toolchain)

size = '%s "%s" $SOURCES' % (python, join(here, "builder", "size.py"))
env.Replace(
    ARFLAGS=["rc"],
    PROGSUFFIX=".elf",
    SIZETOOL="size.py",
    SIZECHECKCMD=[env.subst("$PYTHONEXE"), join(here, "builder", "size.py"), "$SOURCES"],
    SIZEPRINTCMD=size,
    SIZEPROGREGEXP=r"^(?:\.isr_vector|\.model|\.text|\.ARM\.extab|\.ARM\.exidx|\.data)\s+(\d+).*",
    SIZEDATAREGEXP=r"^(?:\.data|\.bss)\s+(\d+).*",
)
env.Append(
    ASFLAGS=machine,
    CCFLAGS=machine + flags,
    CPPDEFINES=["CPCC_SEMIHOSTING"] if env.subst("$UPLOAD_PROTOCOL") != "stlink" else [],
    LINKFLAGS=machine + link,
    LIBS=libraries,
    BUILDERS={
        "ElfToBin": Builder(
            action=env.VerboseAction('%s "%s" "$SOURCES" "$TARGET"' % (python, join(here, "builder", "image.py")), "Building $TARGET"),
            suffix=".bin",
        )
    },
)
env.BuildSources(join("$BUILD_DIR", "startup"), join(here, "startup"))

program = env.BuildProgram()
env.Depends(program, join(here, "target.ld"))
image = env.ElfToBin(join("$BUILD_DIR", "${PROGNAME}"), program)
AlwaysBuild(env.Alias("nobuild", image))
target = env.Alias("buildprog", image, image)
AlwaysBuild(env.Alias("size", program, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE")))

if env.subst("$UPLOAD_PROTOCOL") == "stlink":
    source = image
    command = 'st-flash --reset write "$SOURCE" ' + board.get("upload.offset_address")
else:
    source = program
    command = '%s -m cpcc.executors.firmware "$SOURCE" --target %s' % (python, board.get("build.cpcc_target"))
env.Replace(UPLOADCMD=command)
env.AddPlatformTarget("upload", source, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")], "Upload")
if "upload" not in COMMAND_LINE_TARGETS:
    Default(target)
