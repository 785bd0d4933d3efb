/*
 * Tools and calls of them, in the spellings that are in use, as templates take
 * them: tools are {type: function, function: {name, description, parameters}},
 * a message's tool_calls {type: function, function: {name, arguments}} with
 * arguments that are an object.
 *
 * OpenAI's files have the arguments as a text of JSON, older ones function_call
 * for tool_calls and functions for tools; ShareGPT's have a message from
 * function_call whose value is JSON, and tools without their type.
 */
#include "formats/dataset_parts.h"

#include <string.h>

static int no_memory(void)
{
	return err_set(E_NOMEM, "no memory for a record");
}

/* What a text of JSON says; anything else as it is. *v: a new reference. */
static int parsed(json_t **v, json_t *from)
{
	if (json_is_string(from) && json_string_length(from))
		return json_parse(v, json_string_value(from),
				  json_string_length(from));
	*v = json_incref(from);
	return 0;
}

/* {type: function, function: f}; takes the reference. */
static int append_function(json_t *list, json_t *f)
{
	json_t *whole = json_pack("{s:s,s:o}", "type", "function", "function",
				  f);

	return !whole || json_array_append_new(list, whole) ? no_memory() : 0;
}

/* ---- calls ---- */

/* f with arguments as an object, where a text says one. */
static int plain_call(json_t **to, json_t *f)
{
	json_t *arguments = json_object_get(f, "arguments"), *v;

	*to = json_copy(f);
	if (!*to)
		return no_memory();
	if (!json_is_string(arguments) || parsed(&v, arguments))
		return 0; /* whatever it says, it says so */
	if (!json_is_object(v)) {
		json_decref(v);
		return 0;
	}
	if (!json_object_set_new(*to, "arguments", v))
		return 0;
	json_decref(*to);
	return no_memory();
}

/* OpenAI's list; what is in it besides stays. */
static int append_calls(json_t *list, json_t *calls)
{
	json_t *one, *f;
	size_t i;

	json_array_foreach(calls, i, one) {
		json_t *copy = json_copy(one);
		int bad = !copy;

		f = json_object_get(one, "function");
		if (!bad && json_is_object(f)) {
			TRY(plain_call(&f, f));
			bad = json_object_set_new(copy, "function", f);
		}
		if (json_array_append_new(list, copy) || bad)
			return no_memory();
	}
	return 0;
}

/* One {name, arguments}, or parameters. */
static int append_named(json_t *list, json_t *call, size_t number)
{
	json_t *f, *v = json_object_get(call, "parameters");

	if (!json_is_string(json_object_get(call, "name")))
		return err_set(E_DATA, "message %zu calls a function, and is "
			       "no JSON of its name and arguments", number);
	TRY(plain_call(&f, call));
	if (v && !json_object_get(f, "arguments") &&
	    (json_object_set(f, "arguments", v) ||
	     json_object_del(f, "parameters"))) {
		json_decref(f);
		return no_memory();
	}
	return append_function(list, f);
}

/* ShareGPT's value: one call, or a list. */
static int append_value(json_t *list, json_t *value, size_t number)
{
	json_t *v, *one;
	size_t i;
	int err = 0;

	if (parsed(&v, value))
		return append_named(list, NULL, number);
	json_array_foreach(v, i, one)
		if (!err)
			err = append_named(list, one, number);
	if (!json_is_array(v) || !json_array_size(v))
		err = append_named(list, v, number);
	json_decref(v);
	return err;
}

int dataset_calls(json_t **calls, json_t *m, json_t *value, size_t number)
{
	json_t *list = json_array(), *old = json_object_get(m, "function_call");
	int err = list ? 0 : no_memory();

	*calls = NULL;
	if (!err)
		err = append_calls(list, json_object_get(m, "tool_calls"));
	if (!err && json_is_object(old))
		err = append_named(list, old, number);
	if (!err && value)
		err = append_value(list, value, number);
	if (!err && json_array_size(list))
		*calls = json_incref(list);
	json_decref(list);
	return err;
}

/* ---- tools ---- */

int dataset_tools(json_t **tools, json_t *record)
{
	json_t *from = json_object_get(record, "tools"), *v, *one;
	json_t *list = json_array();
	size_t i;
	int err;

	*tools = NULL;
	if (!from || json_is_null(from))
		from = json_object_get(record, "functions");
	err = list ? parsed(&v, from) : no_memory();
	if (err) {
		json_decref(list);
		return err_at(err, "tools");
	}
	json_array_foreach(v, i, one) {
		if (err)
			break;
		if (json_is_string(json_object_get(one, "name")) &&
		    !json_object_get(one, "function"))
			err = append_function(list, json_incref(one));
		else if (json_array_append(list, one))
			err = no_memory();
	}
	json_decref(v);
	if (!err && json_array_size(list))
		*tools = json_incref(list);
	json_decref(list);
	return err;
}
