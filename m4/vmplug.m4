dnl SPDX-License-Identifier: MIT

dnl VMPLUG_REQUIRE(VARIABLE, MODULE, DEBIAN-PACKAGE, REASON, [HEADER, LIBRARY, FUNCTION])
dnl Asks pkg-config; where a package ships no .pc file (libev and libfdt on Debian), looks itself.
AC_DEFUN([VMPLUG_REQUIRE], [
    PKG_CHECK_MODULES([$1], [$2], [], [
        vmplug_found=no
        m4_ifval([$5], [
            AC_CHECK_HEADER([$5], [AC_CHECK_LIB([$6], [$7], [vmplug_found=yes; $1_LIBS=-l$6])])
        ])
        AS_IF([test "$vmplug_found" = no],
            [AC_MSG_ERROR([$2 is missing ($4); on Debian: apt-get install $3])])
    ])
])

dnl VMPLUG_EXAMPLE(VARIABLE, MODULE, DEBIAN-PACKAGE, PROGRAM)
dnl Where what only an example needs is missing, the example is left out.
AC_DEFUN([VMPLUG_EXAMPLE], [
    PKG_CHECK_MODULES([$1], [$2], [vmplug_found=yes], [
        vmplug_found=no
        AC_MSG_NOTICE([$4 is left out, for want of $2; on Debian: apt-get install $3])
    ])
    AM_CONDITIONAL([HAVE_$1], [test "$vmplug_found" = yes])
])

dnl VMPLUG_TRY_CFLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if the compiler takes it.
AC_DEFUN([VMPLUG_TRY_CFLAG], [
    AC_MSG_CHECKING([whether $CC takes $2])
    vmplug_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
    CFLAGS=$vmplug_saved_CFLAGS
])

dnl VMPLUG_TRY_LDFLAG(VARIABLE, FLAG): likewise for the linker.
AC_DEFUN([VMPLUG_TRY_LDFLAG], [
    AC_MSG_CHECKING([whether the linker takes $2])
    vmplug_saved_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
    LDFLAGS=$vmplug_saved_LDFLAGS
])

AC_DEFUN([VMPLUG_WARNINGS], [
    for flag in -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
            -Wmissing-prototypes -Wwrite-strings -Wvla; do
        VMPLUG_TRY_CFLAG([WARNING_CFLAGS], [$flag])
    done
    AC_ARG_ENABLE([werror],
        [AS_HELP_STRING([--enable-werror], [treat warnings as errors])])
    AS_IF([test "$enable_werror" = yes], [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
    AC_SUBST([WARNING_CFLAGS])
])

dnl VMPLUG_TRY_RUN_LDFLAG(VARIABLE, FLAG): likewise, if what is so linked also starts here, which is up
dnl to the C library; a linker that only warns of a flag does not take it.
AC_DEFUN([VMPLUG_TRY_RUN_LDFLAG], [
    AC_MSG_CHECKING([whether programs linked with $2 start])
    vmplug_saved_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS -Wl,--fatal-warnings $2"
    AC_RUN_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])], [AC_MSG_RESULT([not known])])
    LDFLAGS=$vmplug_saved_LDFLAGS
])

dnl Less to keep on disk and to read at each start. The command needs no unwind tables: debuggers
dnl have what -g writes, CFLAGS come later and may ask for them all the same, and sanitizers do want
dnl them. The library keeps its own, a sixth of it: for the backtraces of programs that it is linked
dnl into, and for the destructors of a C++ thread that is cancelled while it waits in the library.
dnl Packed relocations want glibc 2.36, or musl 1.2.4.
AC_DEFUN([VMPLUG_SIZE], [
    AS_IF([test "$enable_sanitizers" != yes], [
        for flag in -fno-asynchronous-unwind-tables -fno-unwind-tables; do
            VMPLUG_TRY_CFLAG([COMMAND_CFLAGS], [$flag])
        done
    ])
    VMPLUG_TRY_RUN_LDFLAG([SIZE_LDFLAGS], [-Wl,-z,pack-relative-relocs])
    AC_SUBST([COMMAND_CFLAGS])
    AC_SUBST([SIZE_LDFLAGS])
])

dnl Hardening is on by default. Sanitizers bring checks of their own, which _FORTIFY_SOURCE hides.
AC_DEFUN([VMPLUG_HARDENING], [
    AC_ARG_ENABLE([sanitizers],
        [AS_HELP_STRING([--enable-sanitizers], [build with address and undefined sanitizers])])
    AC_ARG_ENABLE([hardening],
        [AS_HELP_STRING([--disable-hardening], [build without hardening])])
    AS_IF([test "$enable_sanitizers" = yes], [
        HARDENING_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all"
        HARDENING_CFLAGS="$HARDENING_CFLAGS -fno-omit-frame-pointer"
        HARDENING_LDFLAGS="-fsanitize=address,undefined"
    ], [test "$enable_hardening" != no], [
        HARDENING_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"
        for flag in -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
                -fstrict-flex-arrays=3 -ftrivial-auto-var-init=zero -fPIE; do
            VMPLUG_TRY_CFLAG([HARDENING_CFLAGS], [$flag])
        done
        for flag in -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack; do
            VMPLUG_TRY_LDFLAG([HARDENING_LDFLAGS], [$flag])
        done
        VMPLUG_TRY_LDFLAG([PROGRAM_LDFLAGS], [-pie])
    ])
    AC_SUBST([HARDENING_CPPFLAGS])
    AC_SUBST([HARDENING_CFLAGS])
    AC_SUBST([HARDENING_LDFLAGS])
    AC_SUBST([PROGRAM_LDFLAGS])
])

dnl The module for Python is installed where a Python of this prefix looks for modules, and tested
dnl where there is a shared library, which is all that it needs: the build does without Python.
AC_DEFUN([VMPLUG_PYTHON], [
    AC_PATH_PROG([PYTHON], [python3])
    AS_IF([test -n "$PYTHON" && ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 9))'],
        [AC_MSG_NOTICE([$PYTHON is older than 3.9]); PYTHON=])
    AC_ARG_WITH([python-dir],
        [AS_HELP_STRING([--with-python-dir=DIR],
            [where the Python module goes, or "no" @<:@where python3 looks in PREFIX@:>@])],
        [pythondir=$withval], [
            pythondir=no
            AS_IF([test -n "$PYTHON"], [
                vmplug_words='import sysconfig; print(sysconfig.get_path("purelib"))'
                pythondir='${prefix}'/$("$PYTHON" -c "$vmplug_words" | sed 's,.*/lib/python,lib/python,')
            ])
        ])
    AC_SUBST([pythondir])
    AM_CONDITIONAL([PYTHON_MODULE], [test "$pythondir" != no])
    AC_MSG_CHECKING([whether the Python module can be tested])
    vmplug_tested=no
    AS_IF([test -n "$PYTHON" && test "$enable_shared" = yes && test "$enable_sanitizers" != yes],
        [vmplug_tested=yes])
    AM_CONDITIONAL([PYTHON_TESTS], [test "$vmplug_tested" = yes])
    AC_MSG_RESULT([$vmplug_tested])
])
