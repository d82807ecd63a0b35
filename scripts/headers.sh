# shellcheck shell=bash
# For the checks of the library: what its headers declare, and what its map lists.

# declarations <C: each on a line of its own, without comments, attributes and needless spaces; of a
# function that is defined, what declares it.
declarations() {
	grep -v '^#' | tr '\n' ' ' |
		sed -E 's:/\*([^*]|\*+[^*/])*\*+/::g; s/VMPLUG_API|static inline//g' |
		awk '{
			for (i = 1; i <= length($0); i++) {
				character = substr($0, i, 1)
				depth += (character == "{") - (character == "}")
				text = text character
				defines = character == "}" && text ~ /\) *{/
				if (depth > 0 || !(character == ";" || defines))
					continue
				if (defines)
					sub(/ *{.*}$/, ";", text)
				print text
				text = ""
			}}' | sed -E 's/[[:space:]]+/ /g; s/^ //; s/ ([;,)])/\1/g; s/([(*]) /\1/g'
}

# header_declarations FILE...: those of these headers.
header_declarations() {
	local header
	for header; do
		sed '/__cplusplus/,/^#endif/d' "$header" | declarations
	done
}

# in_map MAP VERSION: the names that the map lists there; VERSION is a pattern.
in_map() {
	sed -n "/^$2/,/^}/p" "$1" | sed '/^ *local:/,$d' | grep -oE '^ *[a-z_0-9]+;' | tr -d ' ;'
}
